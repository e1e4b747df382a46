"""Faults of a monitor that is not there yet: of sockets nobody can use."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from typing import Final

from qmpx.errors import AddressError
from qmpx.machine.clock import Clock
from qmpx.standin.faults.fault import Fault
from qmpx.standin.faults.plan import FaultPlan
from qmpx.transport.address import ListenAddress, UnixAddress
from qmpx.transport.listener import Listener

_BEFORE: Final = ("socket-late", "socket-dead")


async def wait_to_listen(
    plan: FaultPlan, addresses: Iterable[ListenAddress]
) -> list[Fault]:
    """Wait as long as the plan's faults say, with or without sockets that are dead.

    Args:
        plan: The faults.
        addresses: Where will be listened.

    Returns:
        The faults that set in once it is listened: see `begin_to_listen`.

    Raises:
        AddressError: There is something already where a dead socket should be.
    """
    places = [address for address in addresses if isinstance(address, UnixAddress)]
    faults = plan.at_listening()
    for fault in faults:
        if fault.kind.name == "socket-late":
            await _sleep(plan.clock, fault["seconds"])
        elif fault.kind.name == "socket-dead":
            with dead_sockets(places):
                await _sleep(plan.clock, fault["seconds"])
    return [fault for fault in faults if fault.kind.name not in _BEFORE]


def begin_to_listen(
    plan: FaultPlan, faults: Iterable[Fault], listeners: Iterable[Listener]
) -> None:
    """Let faults set in at listeners that are open.

    Args:
        plan: The plan that they are of.
        faults: What `wait_to_listen` returned.
        listeners: The listeners.
    """
    for fault in faults:
        for listener in listeners:
            listener.hold_back()
            plan.clock.call_later(fault["seconds"], listener.let_in)


@contextlib.contextmanager
def dead_sockets(places: list[UnixAddress]) -> Iterator[None]:
    """Let there be sockets that nobody listens on.

    Args:
        places: Where.

    Raises:
        AddressError: There is something already.
    """
    made: list[UnixAddress] = []
    socks: list[socket.socket] = []
    try:
        for address in places:
            sock = socket.socket(socket.AF_UNIX)
            socks.append(sock)
            try:
                with address.socket_name() as name:
                    sock.bind(name)
            except OSError as error:
                message = f"cannot make {address}: {error.strerror}"
                raise AddressError(message) from error
            made.append(address)
        yield
    finally:
        for address in made:
            if not address.abstract:
                with contextlib.suppress(OSError):
                    os.unlink(address.path)
        for sock in socks:
            sock.close()


async def _sleep(clock: Clock, seconds: float) -> None:
    """Wait by the clock of the faults, which may be moved by hand."""
    passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not passed.done():
            passed.set_result(None)

    clock.call_later(seconds, wake)
    await passed
