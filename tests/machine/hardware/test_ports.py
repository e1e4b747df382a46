"""Who answers at which I/O port, and how accesses are cut."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.hardware.ports import Ports


class Bytes:
    """A device that notes what is written, and reads as the port's low byte."""

    def __init__(self) -> None:
        self.written: list[tuple[int, int, int]] = []

    def read_port(self, port: int, size: int) -> int:
        return int.from_bytes(bytes((port + n) & 0xFF for n in range(size)), "little")

    def write_port(self, port: int, size: int, value: int) -> None:
        self.written.append((port, size, value))


@pytest.mark.parametrize(
    ("port", "size", "value"),
    [
        (0x10, 1, 0x10),
        (0x10, 2, 0x1110),
        (0x0F, 2, 0x10FF),
        (0x13, 2, 0xFF13),
        (0x10, 4, 0xFFFFFFFF),
        (0x14, 1, 0xFF),
        (0x14, 2, 0xFFFF),
        (0x10010, 1, 0x10),
        (-0xFFF0, 1, 0x10),
    ],
)
def test_a_device_of_bytes_is_read_in_bytes(port: int, size: int, value: int) -> None:
    ports = Ports()
    ports.attach(range(0x10, 0x14), Bytes())
    assert ports.read(port, size) == value


@pytest.mark.parametrize(
    ("port", "size", "value", "written"),
    [
        (0x10, 1, 0x1FF, [(0x10, 1, 0xFF)]),
        (0x10, 2, 0xABCD, [(0x10, 1, 0xCD), (0x11, 1, 0xAB)]),
        (0x13, 2, 0xABCD, [(0x13, 1, 0xCD)]),
        (0x0F, 2, 0xABCD, [(0x10, 1, 0xAB)]),
        (0x10, 4, 1, []),
        (0x99, 1, 1, []),
        (0x10, 1, -1, [(0x10, 1, 0xFF)]),
        (0x20010, 1, 1, [(0x10, 1, 1)]),
    ],
)
def test_a_device_of_bytes_is_written_in_bytes(
    port: int, size: int, value: int, written: list[tuple[int, int, int]]
) -> None:
    ports, device = Ports(), Bytes()
    ports.attach(range(0x10, 0x14), device)
    ports.write(port, size, value)
    assert device.written == written


def test_a_device_may_take_other_sizes_itself() -> None:
    ports, device = Ports(), Bytes()
    ports.attach(range(0x20, 0x22), device, sizes=(2, 4))
    ports.write(0x20, 2, 0x12345)
    ports.write(0x20, 4, -1)
    ports.write(0x20, 1, 5)
    assert device.written == [(0x20, 2, 0x2345), (0x20, 4, 0xFFFFFFFF)]
    assert [ports.read(0x21, size) for size in (1, 2, 4)] == [0xFF, 0x2221, 0x24232221]


def test_two_bytes_may_be_of_two_devices_and_the_last_port_has_the_first_behind() -> (
    None
):
    ports, low, high = Ports(), Bytes(), Bytes()
    ports.attach(range(0xFFFF, 0x10000), high)
    ports.attach(range(1), low)
    ports.write(0xFFFF, 2, 0xABCD)
    assert (high.written, low.written) == ([(0xFFFF, 1, 0xCD)], [(0, 1, 0xAB)])
    assert ports.read(0xFFFF, 2) == 0x00FF


def test_who_comes_later_answers_and_who_has_gone_does_not() -> None:
    ports, first, second = Ports(), Bytes(), Bytes()
    ports.attach(range(0x10, 0x12), first)
    ports.attach(range(0x11, 0x13), second)
    for port in (0x10, 0x11, 0x12):
        ports.write(port, 1, 0)
    assert ([at for at, _, _ in first.written], len(second.written)) == ([0x10], 2)
    ports.detach(second)
    assert [ports.read(port) for port in (0x10, 0x11)] == [0x10, 0xFF]


@pytest.mark.parametrize(
    ("ports", "sizes"),
    [(range(0xFFFF, 0x10001), (1,)), (range(-1, 2), (1,)), (range(2), (1, 3))],
)
def test_there_are_no_other_ports_and_sizes(
    ports: range, sizes: tuple[int, ...]
) -> None:
    with pytest.raises(GenericError, match="there are no ports"):
        Ports().attach(ports, Bytes(), sizes=sizes)
