"""Processors and their registers in 0.13's monitor, for people and for programs."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.register_dump import dump
from qmpx.machine.registers import CR0_PE, CR0_PG, MachineCheck
from tests.dialects.v2010.conversation import ask, say

PC = 4294967280


@pytest.fixture
def machine() -> Machine:
    return Machine(processor_count=2)


def cpu(index: int, *, current: bool, halted: bool, pc: int = PC) -> dict[str, Any]:
    return {"current": current, "CPU": index, "pc": pc, "halted": halted}


def no_cpu(name: str = "index", expected: str = "a CPU number") -> dict[str, Any]:
    return {
        "class": "InvalidParameterValue",
        "desc": f"Parameter '{name}' expects {expected}",
        "data": {"name": name, "expected": expected},
    }


def test_a_program_chooses_a_processor(machine: Machine) -> None:
    machine.processors[1].registers.eip = 0x10
    first = [
        cpu(0, current=True, halted=False),
        cpu(1, current=False, halted=True, pc=0xFFFF0010),
    ]
    second = [
        cpu(0, current=False, halted=False),
        cpu(1, current=True, halted=True, pc=0xFFFF0010),
    ]
    found = ask(
        machine,
        ("query-cpus", {}),
        ("cpu", {"index": 1}),
        ("query-cpus", {}),
        ("cpu", {"index": 0}),
        ("query-cpus", {}),
    )
    assert found == [first, {}, second, {}, first]


@pytest.mark.parametrize("index", [2, -1, 9, 1 << 40])
def test_there_is_no_other_processor(machine: Machine, index: int) -> None:
    assert ask(machine, ("cpu", {"index": index})) == [no_cpu()]


def test_a_person_chooses_a_processor(machine: Machine) -> None:
    machine.processors[1].is_halted = False
    assert say(machine, "info cpus", "cpu 1", "info cpus", "cpu 9") == (
        "* CPU #0: pc=0xfffffff0\n"
        "  CPU #1: pc=0xfffffff0\n"
        "  CPU #0: pc=0xfffffff0\n"
        "* CPU #1: pc=0xfffffff0\n"
        "Parameter 'index' expects a CPU number\n"
    )


def test_a_processor_that_waits_is_marked(machine: Machine) -> None:
    machine.processors[0].registers.cs.base = 0
    assert say(machine, "info cpus") == (
        "* CPU #0: pc=0x0000fff0\n  CPU #1: pc=0xfffffff0 (halted)\n"
    )


def test_registers_are_those_of_the_chosen_processor(machine: Machine) -> None:
    machine.processors[1].registers.eax = 0x1234
    first, second = (dump(processor) for processor in machine.processors)
    assert first != second
    assert say(machine, "info registers") == first
    assert say(machine, "cpu 1", "info registers") == second
    assert say(machine, "cpu 1", "p $eax", "cpu 0", "p $eax") == "0x1234\n0\n"


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("$pc", "0xfffffff0"),
        ("$eip", "0xfff0"),
        ("$cs", "0xf000"),
        ("$cs.base + $eip", "0xfffffff0"),
        ("$ds.limit", "0xffff"),
        ("$sp", "0"),
        ("$edx", "0x633"),
        ("$pc / 2", "0xfffffff8"),
        ("$pc / 4", "0xfffffffc"),
        ("$eip / 2", "0x7ff8"),
        ("$eax.base", "unknown register"),
        ("$foo", "unknown register"),
        ("$", "unknown register"),
    ],
)
def test_registers_stand_in_expressions(
    machine: Machine, expression: str, printed: str
) -> None:
    assert say(machine, f"p {expression}") == f"{printed}\n"


def page(machine: Machine) -> None:
    """Map the page at 0x1000 to 0x5000."""
    machine.memory.write(0x10000, struct.pack("<I", 0x11007))
    machine.memory.write(0x11004, struct.pack("<I", 0x5007))
    machine.processors[0].registers.cr0 |= CR0_PE | CR0_PG
    machine.processors[0].registers.cr3 = 0x10000


def test_without_paging_there_are_no_mappings(machine: Machine) -> None:
    page(machine)
    text = say(machine, "cpu 1", "info tlb", "info mem")
    assert text == "PG disabled\nPG disabled\n"


def test_mappings_are_those_of_the_chosen_processor(machine: Machine) -> None:
    page(machine)
    assert say(machine, "info tlb", "info mem") == (
        "00001000: 00005000 ------UW\n00001000-00002000 00001000 urw\n"
    )


@pytest.mark.parametrize(("index", "counts"), [(0, [1, 0]), (1, [0, 1]), (2, [0, 0])])
def test_an_nmi_goes_to_one_processor(
    machine: Machine, index: int, counts: list[int]
) -> None:
    assert say(machine, f"nmi {index}") == ""
    assert [processor.nmi_count for processor in machine.processors] == counts


@pytest.mark.parametrize(("index", "counts"), [(0, [1, 0]), (1, [0, 1]), (2, [0, 0])])
def test_a_machine_check_goes_to_one_processor(
    machine: Machine, index: int, counts: list[int]
) -> None:
    assert say(machine, f"mce {index} 1 2 3 4 0x500000000") == ""
    found = [processor.machine_checks for processor in machine.processors]
    check = MachineCheck(1, 2, 3, 4, 0x500000000)
    assert found == [[check] * count for count in counts]


@pytest.mark.parametrize(
    ("lines", "printed", "is_stepping"),
    [
        (["singlestep"], "", True),
        (["singlestep on"], "", True),
        (["singlestep", "singlestep off"], "", False),
        (["singlestep foo"], "unexpected option foo\n", False),
        (["singlestep", "singlestep foo"], "unexpected option foo\n", True),
    ],
)
def test_single_steps_are_switched_on_and_off(
    machine: Machine, lines: list[str], printed: str, is_stepping: bool
) -> None:
    assert say(machine, *lines) == printed
    assert machine.is_single_stepping is is_stepping


def test_an_i386_has_no_statistics_of_a_powerpc(machine: Machine) -> None:
    assert say(machine, "info cpustats") == say(machine, "info nonsense")
    assert "info cpustats" in say(machine, "info cpustats")
