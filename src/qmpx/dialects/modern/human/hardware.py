"""Interrupt controllers, boot order, logs, debuggers, trace events.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.choosing import NO_PROCESSOR, chosen
from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.dialects.v2010.emulator import DEBUGGER_PLACE
from qmpx.dialects.v2010.hardware import BOOT_DEVICES, MAX_BOOT_DEVICES
from qmpx.errors import CommandError, OpenFileFailed
from qmpx.machine import Machine
from qmpx.machine.log import LOG_ITEMS
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

LINES: Final = 24
"""The lines of a PC's I/O APIC."""

LOGGED: Final = {
    "out_asm": "the code that the host runs, for each translated block",
    "in_asm": "the code that the guest runs, for each translated block",
    "op": "the operations between the two",
    "op_opt": "these operations after optimisation",
    "op_ind": "these operations before indirect ones are lowered",
    "int": "interrupts and exceptions, in short",
    "exec": "each block before it is run (a great deal)",
    "cpu": "the registers before each block (a great deal)",
    "fpu": "the registers of the FPU with these",
    "mmu": "what the memory management does",
    "pcall": "far calls in protected mode (x86 only)",
    "cpu_reset": "the state of a processor before it is reset",
    "unimp": "what is not implemented",
    "guest_errors": "what the guest should not have done",
    "page": "pages at the beginning of user mode",
    "nochain": "do not join blocks, so that each of them is told",
    "plugin": "what plugins say",
    "strace": "each system call of a user program",
    "tid": "a file for each thread; its name has %d in it",
}
"""What can be logged."""

_TRACED: Final = "trace:"
_NO_BOOT_ORDER: Final = ("none", "microvm", "x-remote")


def _log_items() -> str:
    rows = {"none": "nothing any more", **LOGGED, "trace:PATTERN": "trace events"}
    lines = "".join(f"{name:<15} {what}\n" for name, what in rows.items())
    return f"Log items (comma separated):\n{lines}\n"


commands.further_help["log"] = _log_items()


@commands.does("log")
def log(machine: Machine, *, items: str) -> str | None:
    """Choose what is logged; with an item that there is not, return what there is."""
    names = [] if items == "none" else items.split(",")
    if "all" in names:
        names = list(LOGGED)
    if any(name not in LOGGED and not name.startswith(_TRACED) for name in names):
        return _log_items()
    machine.log.log([name for name in names if name in LOG_ITEMS])
    return None


@commands.does("logfile")
def logfile(machine: Machine, *, filename: str) -> str | None:
    """Write the log to another file from now on."""
    try:
        machine.log.write_to(filename)
    except OpenFileFailed as error:
        return f"{error.desc}\n"
    return None


@commands.does("gdbserver")
async def gdbserver(machine: Machine, *, device: str | None = None) -> str:
    """Listen for a debugger, or end that."""
    if device == "none":
        machine.debugger.close()
        return "Disabled gdbserver\n"
    device = device or DEBUGGER_PLACE
    try:
        await machine.debugger.listen(device)
    except (OSError, CommandError):
        return f"Could not open gdbserver on device '{device}'\n"
    return f"Waiting for gdb connection on device '{device}'\n"


@commands.does("boot_set")
def boot_set(machine: Machine, *, bootdevice: str) -> str:
    """Note up to three boot devices where the firmware looks for them."""
    tree = machine.qom
    if tree.has_board and tree.board in _NO_BOOT_ORDER:
        return "no function defined to set boot device list for this architecture\n"
    seen = 0
    for letter in bootdevice:
        if not "a" <= letter <= "p":
            return f"Invalid boot device '{letter}'\n"
        if seen >> (ord(letter) - ord("a")) & 1:
            return f"Boot device '{letter}' was given twice\n"
        seen |= 1 << (ord(letter) - ord("a"))
    if len(bootdevice) > MAX_BOOT_DEVICES:
        return "Too many boot devices for PC\n"
    for letter in bootdevice:
        if letter not in BOOT_DEVICES:
            return f"Invalid boot device for PC: '{letter}'\n"
    order = [BOOT_DEVICES[letter] for letter in bootdevice]
    machine.chipset.clock_chip.set_boot_order(order)
    return f"boot device list now set to {bootdevice}\n"


# Interrupts.


def has_board(machine: Machine) -> bool:
    """Whether it is a PC, with a PC's interrupt controllers."""
    return machine.qom.board.startswith(("pc-", "isapc", "microvm"))


def has_ioapic(machine: Machine) -> bool:
    """Whether it has an I/O APIC, too."""
    return machine.qom.board.startswith(("pc-", "microvm"))


@commands.shows("pic")
def info_pic(machine: Machine) -> str:
    """Return the registers of the I/O APIC and of the two i8259."""
    if not has_board(machine):
        return ""
    lines: list[str] = []
    if has_ioapic(machine):
        lines.append("ioapic0: ver=0x20 id=0x00 sel=0x00")
        lines += [
            f"  pin {pin:<2} 0x0000000000010000 dest=0 vec=0   active-hi edge  "
            "masked fixed  physical"
            for pin in range(LINES)
        ]
        lines += ["  IRR      (none)", "  Remote IRR (none)"]
    controllers = machine.chipset.interrupts
    for number, pic in ((1, controllers.second), (0, controllers.first)):
        lines.append(
            f"pic{number}: irr={pic.irr:02x} imr={pic.imr:02x} isr={pic.isr:02x} "
            f"hprio={pic.highest_priority} irq_base={pic.irq_base:02x} "
            f"rr_sel={pic.reads_isr:d} elcr={pic.elcr:02x} fnm={pic.is_fully_nested:d}"
        )
    return "".join(f"{line}\n" for line in lines)


_LAPIC: Final = ("LVT0", "LVT1", "LVTPC", "LVTERR", "LVTTHMR")
_MASKED: Final = "0x00010000 active-hi edge  masked                      Fixed  (vec 0)"


@commands.shows("lapic")
def info_lapic(session: SessionLike, *, apic_id: int | None = None) -> str:
    """Return a processor's interrupt controller as it is after a reset."""
    if apic_id is None:
        processor = chosen(session)
    else:
        processor = session.monitor.target.qom.processors.numbered().get(apic_id)
    if processor is None:
        return NO_PROCESSOR
    index = processor.index
    lines = [f"dumping local APIC state for CPU {index} ", ""]
    lines += [f"{name}\t {_MASKED}" for name in _LAPIC]
    lines += [
        "LVTT\t 0x00010000 active-hi edge  masked         one-shot     Fixed  (vec 0)",
        "Timer\t DCR=0x0 (divide by 2) initial_count = 0 current_count = 0",
        "SPIV\t 0x000000ff APIC disabled, focus=off, spurious vec 255",
        "ICR\t 0x00000000 physical edge de-assert no-shorthand",
        f"ICR2\t 0x00000000 cpu {0} (APIC ID)",
        "ESR\t 0x00000000",
        "ISR\t (none)",
        "IRR\t (none)",
        "",
        "APR 0x00 TPR 0x00 DFR 0x0f LDR 0x00 PPR 0x00",
    ]
    return "".join(f"{line}\n" for line in lines)


# Trace events.


@commands.does("trace-event")
async def trace_event(
    session: SessionLike, *, name: str, option: bool, vcpu: int | None = None
) -> str | None:
    """Switch trace events on or off."""
    try:
        await ask(
            session,
            "trace-event-set-state",
            name=name,
            enable=option,
            ignore_unavailable=True,
            vcpu=vcpu,
        )
    except CommandError as error:
        return f"{error.desc}\n"
    return None


@commands.shows("trace-events")
async def info_trace_events(
    session: SessionLike, *, name: str | None = None, vcpu: int | None = None
) -> str:
    """Return the trace events, and whether they are traced."""
    try:
        found: list[dict[str, Any]] = await ask(
            session, "trace-event-get-state", name=name or "*", vcpu=vcpu
        )
    except CommandError as error:
        return f"{error.desc}\n"
    return "".join(
        f"{x['name']} : state {int(x['state'] == 'enabled')}\n" for x in found
    )
