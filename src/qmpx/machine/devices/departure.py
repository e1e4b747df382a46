"""Waiting until a device that was asked to go has gone."""

import asyncio
from typing import TYPE_CHECKING

from qmpx.errors import GenericError
from qmpx.machine.happenings import DeviceUnplugged, Exited, Happening, ShutDown

if TYPE_CHECKING:
    from qmpx.machine.devices.device import Device
    from qmpx.machine.machine import Machine


async def wait_until_gone(machine: "Machine", device: "Device") -> None:
    """Wait until a device has left the machine.

    That may be never: a guest need not let it go. Cancelling is safe, and changes
    nothing; several may wait.

    Raises:
        GenericError: The machine is off.
    """
    if device not in device.bus.children:
        return
    gone = asyncio.get_running_loop().create_future()

    def look(happening: Happening) -> None:
        if gone.done():
            return
        if isinstance(happening, DeviceUnplugged) and happening.path == device.path:
            gone.set_result(None)
        elif isinstance(happening, ShutDown | Exited):
            gone.set_exception(GenericError("the machine is off"))

    machine.listen(look)
    try:
        await gone
    finally:
        machine.unlisten(look)
