"""Monitors on character devices that are no sockets: pipes, terminals, files, nothing.

A monitor talks to a socket. So it has one end of a pair, and what comes out of the
other end goes to the character device, and back.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Final

from qmpx.machine import Machine
from qmpx.machine.character.device import CharacterDevice
from qmpx.standin.endpoints import Endpoint

RETRY_SECONDS: Final = 0.05
"""Until what a character device refused is offered to it again: those of files tell
nobody when they have room."""

_READ_SIZE: Final = 1 << 16

OWN_KINDS: Final = frozenset({"socket", "stdio"})
"""Kinds of character devices that monitors open themselves; the machine has others."""

WITHOUT_OOB: Final = frozenset(
    {"null", "vc", "ringbuf", "memory", "msmouse", "testdev", "wctablet"}
)
"""Kinds of character devices on which QEMU offers no out-of-band execution: they have
nothing to wait for in another thread (QEMU 7.2.22, observed)."""


async def open_device(
    machine: Machine, endpoint: Endpoint, tell: Callable[[str], None]
) -> "MonitorDevice":
    """Connect an endpoint with the character device that it is to be on.

    Args:
        machine: Has the device; or it is made now, if no option describes it but that
            of the monitor.
        endpoint: Whose monitor it is.
        tell: Is told what is waited for.

    Raises:
        StartFailure: It cannot be opened, or has a user already.
    """
    label = endpoint.label
    if label not in machine.characters:
        from qmpx.standin.character_options import CharacterOptions

        await CharacterOptions(machine, tell).open(endpoint.options)
    if not machine.characters.take(label):
        raise endpoint.options.failure(f"Device '{label}' is in use")
    device = MonitorDevice(machine.characters[label])
    endpoint.connected = device.near
    return device


class MonitorDevice:
    """The way between a monitor and a character device.

    Args:
        device: The character device; it is open.

    Attributes:
        near: The monitor's end.
    """

    def __init__(self, device: CharacterDevice) -> None:
        self.near, self._far = socket.socketpair()
        os.set_blocking(self._far.fileno(), False)
        self._device = device
        self._refused = b""  # by the character device
        self._waiting = b""  # for room on the way to the monitor
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._far, self._go_out)
        device.listener = self._come_in
        self._come_in()

    def close(self) -> None:
        """Bring nothing any more."""
        self._device.listener = None
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._far)
        self._loop.remove_writer(self._far)
        # The last words, which are there already.
        with contextlib.suppress(OSError):
            self._device.write(self._refused + self._far.recv(_READ_SIZE))
        self._far.close()

    def _go_out(self) -> None:
        try:
            data = self._refused or self._far.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the monitor has ended
            self._loop.remove_reader(self._far)
            return
        self._refused = data[self._device.write(data) :]
        if self._refused:
            self._loop.remove_reader(self._far)
            self._timer = self._loop.call_later(RETRY_SECONDS, self._offer_again)

    def _offer_again(self) -> None:
        self._timer = None
        self._loop.add_reader(self._far, self._go_out)
        self._go_out()

    def _come_in(self) -> None:
        while data := self._waiting or self._device.read(_READ_SIZE):
            try:
                sent = self._far.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:  # the monitor has ended
                self._waiting = b""
                return
            self._waiting = data[sent:]
            if self._waiting:
                self._loop.add_writer(self._far, self._come_in)
                return
        self._loop.remove_writer(self._far)
