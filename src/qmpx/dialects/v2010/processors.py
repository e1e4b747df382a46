"""Processors and their registers; errors that are injected into them.

Source: QEMU 0.13.0 for i386, observed.
"""

from typing import Any

from qmpx.errors import InvalidParameterValue
from qmpx.machine import Machine
from qmpx.machine.processor import Processor
from qmpx.machine.register_dump import dump, show_mappings, show_ranges
from qmpx.machine.registers import CR0_PG, MachineCheck
from qmpx.monitor.human import CommandTable
from qmpx.monitor.human.builtin import help_text
from qmpx.monitor.registry import SessionLike

commands = CommandTable()


def chosen_processor(session: SessionLike) -> Processor:
    """Return the processor that the commands of a listener refer to."""
    processors = session.monitor.target.processors
    found: Processor = processors[min(session.frontend.processor, len(processors) - 1)]
    return found


def _read_register(session: SessionLike, name: str) -> int:
    """Return a register for an expression, in which all registers have a sign."""
    value = chosen_processor(session).read_register(name)
    return value - (1 << 32) if value >> 31 else value


commands.read_register = _read_register


@commands.command(
    "cpu", "index:i", "index", help="choose the processor that other commands look at"
)
def cpu(machine: Machine, session: SessionLike, *, index: int) -> None:
    """Choose the processor that the commands of this monitor refer to.

    Raises:
        InvalidParameterValue: There is none of that number.
    """
    if not 0 <= index < machine.processor_count:
        raise InvalidParameterValue(name="index", expected="a CPU number")
    session.frontend.processor = index


def _show_cpus(processors: list[dict[str, Any]]) -> str:
    return "".join(
        f"{'*' if its['current'] else ' '} CPU #{its['CPU']}: pc=0x{its['pc']:08x}"
        f"{' (halted)' if its['halted'] else ''}\n"
        for its in processors
    )


@commands.query("cpus", help="the processors", show=_show_cpus)
def query_cpus(machine: Machine, session: SessionLike) -> list[dict[str, Any]]:
    """Tell of each processor where it is, and whether it waits."""
    current = chosen_processor(session)
    return [
        {
            "current": processor is current,
            "CPU": processor.index,
            "pc": processor.registers.pc,
            "halted": processor.is_halted,
        }
        for processor in machine.processors
    ]


@commands.info("registers", help="the registers of the chosen processor")
def info_registers(session: SessionLike) -> str:
    """Return the registers as a page of text."""
    return dump(chosen_processor(session))


@commands.info("cpustats", help="statistics of a processor of the PowerPC kind")
def info_cpustats(session: SessionLike) -> str:
    """Return what an i386 answers to an item that it has not: the list of items."""
    table = session.monitor.human
    return help_text(commands if table is None else table, "info")


@commands.info("tlb", help="what virtual addresses are mapped to, page by page")
def info_tlb(session: SessionLike) -> str:
    """Return the mappings of the chosen processor."""
    processor = chosen_processor(session)
    return show_mappings(processor) if _is_paging(processor) else "PG disabled\n"


@commands.info("mem", help="the ranges of virtual addresses in use, and their rights")
def info_mem(session: SessionLike) -> str:
    """Return the ranges that the chosen processor maps."""
    processor = chosen_processor(session)
    return show_ranges(processor) if _is_paging(processor) else "PG disabled\n"


def _is_paging(processor: Processor) -> bool:
    return bool(processor.registers.cr0 & CR0_PG)


@commands.human(
    "nmi", "cpu_index:i", "cpu", help="interrupt a processor; it cannot mask that"
)
def nmi(machine: Machine, *, cpu_index: int) -> None:
    """Inject an NMI; if there is no such processor, do nothing."""
    if 0 <= cpu_index < machine.processor_count:
        machine.processors[cpu_index].inject_nmi()


@commands.human(
    "mce",
    "cpu_index:i,bank:i,status:l,mcg_status:l,addr:l,misc:l",
    "cpu bank status mcgstatus addr misc",
    help="report a hardware error to a processor",
)
def mce(
    machine: Machine,
    *,
    cpu_index: int,
    bank: int,
    status: int,
    mcg_status: int,
    addr: int,
    misc: int,
) -> None:
    """Inject a machine check; if there is no such processor, do nothing."""
    if 0 <= cpu_index < machine.processor_count:
        check = MachineCheck(bank, status, mcg_status, addr, misc)
        machine.processors[cpu_index].inject_machine_check(check)


@commands.human(
    "singlestep",
    "option:s?",
    "[on|off]",
    help="take one instruction at a time, or go on as usual",
)
def singlestep(machine: Machine, *, option: str | None = None) -> str | None:
    """Switch the processors to single steps, which only shows in the run state."""
    if option not in (None, "on", "off"):
        return f"unexpected option {option}\n"
    machine.is_single_stepping = option != "off"
    return None
