"""The interrupt controllers: lines, masks, and the words that program them."""

from __future__ import annotations

import pytest

from qmpx.machine.hardware.interrupts import InterruptController, InterruptControllers
from qmpx.machine.hardware.ports import Ports


def chip() -> InterruptController:
    return InterruptController(elcr_mask=0xF8)


def program(controller: InterruptController, *pairs: tuple[int, int]) -> None:
    for port, value in pairs:
        controller.write_port(port, 1, value)


def test_a_line_counts_when_it_rises() -> None:
    controller = chip()
    controller.set_line(3, is_high=True)
    controller.irr = 0
    controller.set_line(3, is_high=True)
    assert controller.irr == 0
    controller.set_line(3, is_high=False)
    controller.set_line(3, is_high=True)
    assert controller.irr == 8
    controller.set_line(3, is_high=False)
    assert controller.irr == 8


def test_a_line_may_count_by_its_level() -> None:
    controller = chip()
    program(controller, (0x4D0, 0xFF))
    assert (controller.elcr, controller.read_port(0x4D0, 1)) == (0xF8, 0xF8)
    controller.set_line(3, is_high=True)
    assert controller.irr == 8
    controller.set_line(3, is_high=False)
    assert controller.irr == 0


INIT = [(0x20, 0x11), (0x21, 0x0F), (0x21, 0x04), (0x21, 0x13)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (INIT, {"irq_base": 0x08, "is_fully_nested": True, "imr": 0}),
        ([*INIT, (0x21, 0xFB)], {"irq_base": 0x08, "imr": 0xFB}),
        (
            [(0x20, 0x10), (0x21, 0x70), (0x21, 0x02), (0x21, 0x55)],
            {"irq_base": 0x70, "is_fully_nested": False, "imr": 0x55},
        ),
        ([(0x21, 0x55)], {"imr": 0x55, "irq_base": 0}),
        ([(0x21, 0x55), (0x20, 0x11)], {"imr": 0}),
        ([(0x20, 0x09)], {"reads_isr": False}),
        ([(0x20, 0x0B), (0x20, 0x08)], {"reads_isr": True}),
        ([(0x20, 0x0B)], {"reads_isr": True}),
        ([(0x20, 0x0B), (0x20, 0x0A)], {"reads_isr": False}),
        ([(0x20, 0x0B), (0x20, 0x09)], {"reads_isr": True}),
    ],
)
def test_words_program_it(
    words: list[tuple[int, int]], expected: dict[str, int]
) -> None:
    controller = chip()
    program(controller, *words)
    assert {name: getattr(controller, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("command", "first", "isr", "highest"),
    [
        (0x20, 0, 0b1010_0000, 0),
        (0x60 | 5, 0, 0b1000_0100, 0),
        (0xA0, 0, 0b1010_0000, 3),
        (0xE0 | 7, 0, 0b0010_0100, 0),
        (0xC0 | 5, 0, 0b1010_0100, 6),
        (0x20, 3, 0b1000_0100, 3),
        (0x40, 0, 0b1010_0100, 0),
    ],
)
def test_a_service_is_ended(command: int, first: int, isr: int, highest: int) -> None:
    controller = chip()
    controller.isr, controller.highest_priority = 0b1010_0100, first
    program(controller, (0x20, command))
    assert (controller.isr, controller.highest_priority) == (isr, highest)


def test_without_a_service_nothing_is_ended() -> None:
    controller = chip()
    program(controller, (0x20, 0xA0))
    assert (controller.isr, controller.highest_priority) == (0, 0)


def test_registers_are_read_as_was_chosen() -> None:
    controller = chip()
    controller.irr, controller.isr, controller.imr = 1, 2, 3
    assert [controller.read_port(port, 1) for port in (0x20, 0x21)] == [1, 3]
    program(controller, (0x20, 0x0B))
    assert controller.read_port(0xA0, 1) == 2


def test_a_pc_has_two_and_the_timers_line_is_high() -> None:
    ports = Ports()
    pair = InterruptControllers(ports)
    assert (pair.first.irr, pair.second.irr) == (1, 0)
    pair.set_line(9, is_high=True)
    assert (pair.first.irr, pair.second.irr) == (1, 2)
    assert [ports.read(port) for port in (0x20, 0xA0)] == [1, 2]
    ports.write(0x4D0, 1, 0xFF)
    ports.write(0x4D1, 1, 0xFF)
    assert [ports.read(port) for port in (0x4CF, 0x4D0, 0x4D1, 0x4D2)] == [
        *(0xFF, 0xF8, 0xDE, 0xFF)
    ]
    ports.write(0x21, 1, 0x11)
    ports.write(0xA1, 1, 0x22)
    assert (pair.first.imr, pair.second.imr) == (0x11, 0x22)
    assert (pair.first.elcr, pair.second.elcr) == (0xF8, 0xDE)
    pair.reset()
    assert (pair.first.irr, pair.second.irr) == (1, 0)
    assert (pair.first.elcr, pair.second.elcr) == (0, 0)


def test_their_state_comes_back() -> None:
    pair, other = InterruptControllers(Ports()), InterruptControllers(Ports())
    program(pair.first, *INIT[:2])
    pair.second.set_line(3, is_high=True)
    other.restore(pair.state())
    assert other.state() == pair.state()
    program(other.first, *INIT[2:])
    assert (other.first.irq_base, other.first.is_fully_nested) == (8, True)
