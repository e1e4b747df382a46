"""Ports, watchdog, balloon and what the firmware is to boot from.

Source: QEMU 0.13.0, observed.
"""

from typing import Final

from qmpx.dialects.v2010.dumps import show_port
from qmpx.machine import Machine
from qmpx.machine.hardware.watchdog import WatchdogAction
from qmpx.monitor.human import CommandTable, Format
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

BOOT_DEVICES: Final = {"a": 1, "b": 1, "c": 2, "d": 3, "n": 4}
"""Letters of boot devices, and the firmware's numbers for them."""

MAX_BOOT_DEVICES: Final = 3
"""Boot devices that a PC's firmware has room for."""

ACTIONS: Final = {
    action.value: action
    for action in WatchdogAction
    if action is not WatchdogAction.INJECT_NMI  # came with 2.4
}
"""What an expired watchdog could do in 0.13."""


@commands.human("i", "fmt:/,addr:i,index:i.", "/fmt addr", help="read an I/O port")
def i(machine: Machine, *, fmt: Format, addr: int, index: int | None = None) -> str:
    """Read a port; with an index, write that to the port and read the next one."""
    if index is not None:
        machine.ports.write(addr, 1, index & 0xFF)
        addr += 1
    size = fmt.size if fmt.size in (1, 2, 4) else 1
    value = machine.ports.read(addr, size)
    return show_port(addr & 0xFFFF, size, fmt.size, value)


@commands.human("o", "fmt:/,addr:i,val:i", "/fmt addr value", help="write an I/O port")
def o(machine: Machine, *, fmt: Format, addr: int, val: int) -> None:
    """Write a port."""
    size = fmt.size if fmt.size in (1, 2, 4) else 1
    machine.ports.write(addr, size, val)


@commands.info("pic", help="the state of the interrupt controllers")
def info_pic(machine: Machine) -> str:
    """Return the registers of the two i8259."""
    controllers = machine.chipset.interrupts
    return "".join(
        f"pic{number}: irr={pic.irr:02x} imr={pic.imr:02x} isr={pic.isr:02x} "
        f"hprio={pic.highest_priority} irq_base={pic.irq_base:02x} "
        f"rr_sel={pic.reads_isr:d} elcr={pic.elcr:02x} fnm={pic.is_fully_nested:d}\n"
        for number, pic in enumerate((controllers.first, controllers.second))
    )


@commands.info("irq", help="how often there were interrupts")
def info_irq(machine: Machine) -> str:  # noqa: ARG001
    """Return that nobody counts."""
    return "irq statistic code not compiled.\n"


@commands.human(
    "boot_set", "bootdevice:s", "bootdevice", help="change the order of boot devices"
)
def boot_set(machine: Machine, *, bootdevice: str) -> str:
    """Note up to three boot devices where the firmware looks for them."""
    failed = "setting boot device list failed\n"
    if len(bootdevice) > MAX_BOOT_DEVICES:
        return f"Too many boot devices for PC\n{failed}"
    for letter in bootdevice:
        if letter not in BOOT_DEVICES:
            return f"Invalid boot device for PC: '{letter}'\n{failed}"
    order = [BOOT_DEVICES[letter] for letter in bootdevice]
    machine.chipset.clock_chip.set_boot_order(order)
    return f"boot device list now set to {bootdevice}\n"


@commands.human(
    "watchdog_action",
    "action:s",
    "[reset|shutdown|poweroff|pause|debug|none]",
    help="choose what the watchdog does when it expires",
)
def watchdog_action(machine: Machine, *, action: str) -> str | None:
    """Choose what an expired watchdog does; upper and lower case are the same."""
    chosen = ACTIONS.get(action.lower())
    if chosen is None:
        return f"Unknown watchdog action '{action}'\n"
    machine.chipset.watchdog.action = chosen
    return None


@commands.command(
    "balloon",
    "value:M",
    "target",
    help="ask the guest to leave itself so many MiB of memory",
    asynchronous=True,
)
async def balloon(machine: Machine, session: SessionLike, *, value: int) -> None:
    """Set the size that the guest is to come to, in bytes.

    The guest may take its time; by ``execute_async`` the reply comes when it is done.

    Raises:
        KVMMissingCap: KVM would not notice what the guest gives back.
        DeviceNotActive: There is no balloon.
        GenericError: By ``execute_async``: it came to nothing.
    """
    answers_later = session.answers_later
    machine.balloon.set_target(value)
    if answers_later:
        await machine.balloon.wait()


def _show_balloon(answer: dict[str, int]) -> str:
    return f"balloon: actual={answer['actual'] >> 20}\n"


@commands.query(
    "balloon",
    help="how much memory the guest has",
    show=_show_balloon,
    asynchronous=True,
)
async def query_balloon(machine: Machine) -> dict[str, int]:
    """Tell how much memory the guest has, in bytes.

    Raises:
        KVMMissingCap: KVM would not notice what the guest gives back.
        DeviceNotActive: There is no balloon.
    """
    machine.balloon.check()
    return {"actual": machine.balloon.actual}
