"""What a command line plugs into a board: flash chips, USB devices by short names."""

from collections.abc import Sequence
from typing import Final

from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.drive import Drive, Interface
from qmpx.machine.qom.board import FLASHES
from qmpx.standin.failure import StartFailure

_USB_DEVICES: Final = {
    "tablet": "usb-tablet",
    "mouse": "usb-mouse",
    "keyboard": "usb-kbd",
    "braille": "usb-braille",
}
"""What ``-usbdevice`` calls the models that it knows."""


def plug_flashes(machine: Machine, drives: Sequence[Drive]) -> None:
    """Plug in the drives and nodes that hold the firmware.

    Raises:
        GenericError: One of them is not there, or in use.
    """
    for number, name in enumerate(FLASHES):
        place = f"/machine/system.flash{number}"
        for drive in drives:
            if drive.interface is Interface.PFLASH and drive.unit == number:
                drive.id = place
                drive.removable = False
        if not (node := machine.qom.options.get(name)):
            continue
        if node not in machine.blocks.nodes:
            message = f"Property 'cfi.pflash01.drive' can't find value '{node}'"
            raise GenericError(message)
        machine.blocks.drives.plug(node, place, shares_writes=True)


def plug_usb(machine: Machine, text: str) -> None:
    """Plug in what ``-usbdevice`` describes.

    Raises:
        StartFailure: There is no such device, or no place for it.
    """
    driver = _USB_DEVICES.get(text.partition(":")[0])
    failure = StartFailure(f"could not add USB device '{text}'", "-usbdevice", text)
    if driver is None:
        raise failure
    try:
        machine.qom.devices.add({"driver": driver}, hotplug=False)
    except CommandError:
        raise failure from None
