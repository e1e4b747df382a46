"""From a command line of QEMU 0.13 to a machine: what `options` read is put together.

The order is QEMU's: character devices, drives, network, then devices, each of which may
name one of those before it; last what other programs can see.

Source: QEMU 0.13.0.
"""

import calendar
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from qmpx.dialects.v2010.options import OptionError, Options, parse_option_list
from qmpx.errors import CommandError
from qmpx.machine import Clock, Machine
from qmpx.machine.drive import Interface
from qmpx.machine.hardware.watchdog import WatchdogAction

_NO_DEVICE: Final = "none"


@contextmanager
def _option(text: str) -> Iterator[None]:
    """Say which option it was that could not be carried out."""
    try:
        yield
    except OptionError:
        raise
    except (CommandError, ValueError) as error:
        what = error.desc_2010 if isinstance(error, CommandError) else str(error)
        details = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        message = f"{text}: {what}{details}"
        raise OptionError(message) from error


async def assemble(options: Options, clock: Clock | None = None) -> Machine:
    """Return the machine that *options* describe; it does not run yet.

    Args:
        options: What the command line said.
        clock: Its time; real time unless given.

    Raises:
        OptionError: A device, an image or a back end cannot be had. What was opened
            before is closed.
    """
    machine = Machine(
        options.name,
        uuid=options.uuid,
        clock=clock,
        memory_size=options.memory_size,
        processor_count=options.processors,
    )
    machine.restarts = options.restarts
    machine.ends = options.ends
    machine.can_sleep = False
    machine.is_single_stepping = options.is_single_stepping
    if not options.has_display and options.vnc is None:
        machine.display.vnc.is_offered = False
    await _add_character_devices(machine, options)
    disks = _add_drives(machine, options)
    _add_network(machine, options)
    await _add_devices(machine, options, disks)
    _set_clock(machine, options.rtc)
    return machine


async def start(machine: Machine, options: Options) -> None:
    """Open the machine to the world, and let it run unless it is to wait.

    Raises:
        OptionError: An address cannot be had; there is no such snapshot.
    """
    if options.vnc is not None and options.vnc != _NO_DEVICE:
        with _option(f"-vnc {options.vnc}"):
            await machine.display.start_vnc(options.vnc)
    if options.incoming is not None:
        with _option(f"-incoming {options.incoming}"):
            may_run = not options.is_paused
            await machine.migration.listen(options.incoming, may_run=may_run)
        return
    if options.load is not None:
        with _option(f"-loadvm {options.load}"):
            await machine.snapshots.load(options.load)
    if not options.is_paused:
        machine.cont()


async def _add_character_devices(machine: Machine, options: Options) -> None:
    for text in options.character_devices:
        with _option(f"-chardev {text}"):
            await machine.characters.open(parse_option_list(text, "backend"))
    for kind, places in (("serial", options.serials), ("parallel", options.parallels)):
        for number, text in enumerate(places):
            if text == _NO_DEVICE:
                continue
            with _option(f"-{kind} {text}"):
                device = await machine.characters.open_legacy(f"{kind}{number}", text)
                ports: list[str] = getattr(machine.devices.board, kind)
                ports.append(device.label)


def _add_drives(machine: Machine, options: Options) -> list[str]:
    """Plug in the drives; return the devices that the virtio disks among them need."""
    devices = []
    for drive in options.drives:
        text = ",".join(f"{name}={value}" for name, value in drive.items())
        more = {"snapshot": "on"} if options.snapshot else {}
        with _option(f"-drive {text}"):
            plugged = machine.drives.plug(more | drive)
            if plugged is not None and plugged.interface is Interface.VIRTIO:
                devices.append(f"virtio-blk-pci,drive={plugged.device}")
    return devices


def _add_network(machine: Machine, options: Options) -> None:
    for text in options.network_backends:
        with _option(f"-netdev {text}"):
            machine.network.add_netdev(parse_option_list(text, "type"))
    for text in options.networks:
        with _option(f"-net {text}"):
            machine.network.add_legacy(parse_option_list(text, "type"))


async def _add_devices(machine: Machine, options: Options, disks: list[str]) -> None:
    if options.has_usb:
        machine.devices.board.has_usb = True
    devices = [*disks, *options.devices]
    if options.watchdog is not None:
        devices.append(options.watchdog)
    if machine.network.nics:
        with _option("-net nic"):
            _ = machine.devices.root  # the board makes the adapters
    for text in devices:
        with _option(f"-device {text}"):
            machine.devices.add(parse_option_list(text, "driver"))
    for text in options.usb_devices:
        with _option(f"-usbdevice {text}"):
            await machine.devices.add_usb(text)
    if options.watchdog_action is not None:
        with _option(f"-watchdog-action {options.watchdog_action}"):
            machine.chipset.watchdog.action = _action(options.watchdog_action)


def _action(text: str) -> WatchdogAction:
    known = [action.value for action in WatchdogAction]
    if text not in known:
        message = f"expected one of {', '.join(known)}"
        raise ValueError(message)
    return WatchdogAction(text)


def _set_clock(machine: Machine, text: str) -> None:
    if not text:
        return
    with _option(f"-rtc {text}"):
        base = parse_option_list(text, "base").get("base", "utc")
        match base:
            case "utc":
                machine.chipset.clock_chip.start_at(None)
            case "localtime":
                machine.chipset.clock_chip.start_at(None, is_local=True)
            case _:
                machine.chipset.clock_chip.start_at(_seconds(base))


def _seconds(text: str) -> int:
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return calendar.timegm(time.strptime(text, form))
        except ValueError:
            continue
    message = "expected base=utc, base=localtime or base=2010-08-09T16:01:21"
    raise ValueError(message)
