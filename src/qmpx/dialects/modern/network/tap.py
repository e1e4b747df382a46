"""Making the TAP interface that ``netdev_add`` was asked for, or taking one over.

Source: QEMU 7.2.22, observed.
"""

import os
from collections.abc import Callable

from qmpx.dialects.modern.network.options import NetdevTap
from qmpx.errors import FdNotFound
from qmpx.machine.network.clients import Failed
from qmpx.machine.network.tap import Tap, check_tap, make_tap


def make_tap_of(netdev: NetdevTap, take: Callable[[str], int]) -> Tap:
    """Return the interface that the options ask for.

    Args:
        netdev: The options.
        take: Gives the descriptor of a name away, or raises `FdNotFound`.

    Raises:
        Failed: It cannot be had.
    """
    if netdev.fd is not None:
        others = (
            netdev.ifname,
            netdev.script,
            netdev.downscript,
            netdev.vnet_hdr,
            netdev.helper,
            netdev.queues,
            netdev.fds,
            netdev.vhostfds,
        )
        if any(other is not None for other in others):
            message = (
                "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, "
                "and vhostfds= are invalid with fd="
            )
            raise Failed(message)
        return _given_tap(netdev, [netdev.fd], take)
    if netdev.fds is not None:
        return _given_tap(netdev, netdev.fds.split(":"), take)
    if netdev.helper is not None:
        message = "bridge helper failed"
        raise Failed(message)
    if (script := netdev.script) not in (None, "no", ""):
        message = f"network script {script} is not run by this machine"
        if not os.access(script, os.X_OK):
            message = f"network script {script} failed with status 256"
        raise Failed(message)
    fd, name = make_tap(netdev.ifname)
    return Tap([fd], f"ifname={name},script=no,downscript=no")


def _given_tap(netdev: NetdevTap, names: list[str], take: Callable[[str], int]) -> Tap:
    """Return the interface of descriptors that were handed over, or inherited."""
    others = [netdev.vhostfd] if netdev.vhostfd else (netdev.vhostfds or "").split(":")
    if any(others) and len(others) != len(names):
        message = (
            "The number of fds passed does not match the number of vhostfds passed"
        )
        raise Failed(message)
    numbers: list[int] = []
    ours: list[int] = []  # those that were handed over; inherited ones stay
    try:
        for name in [*names, *filter(None, others)]:
            number = find_descriptor(name, take)
            if _is_name(name):
                ours.append(number)
            if len(numbers) < len(names):
                check_tap(netdev.id, number)
            numbers.append(number)
    except Failed:
        Tap(ours, "").close()
        raise
    return Tap(numbers, f"fd={numbers[0]}")


def _is_name(text: str) -> bool:
    return not text[:1].isdigit()


def find_descriptor(text: str, take: Callable[[str], int]) -> int:
    """Return the descriptor of a name, or of a number.

    Raises:
        Failed: There is none.
    """
    if not _is_name(text):
        if text.isdecimal():
            return int(text)
        message = f"Invalid file descriptor number '{text}'"
        raise Failed(message)
    try:
        return take(text)
    except FdNotFound:
        message = f"File descriptor named '{text}' has not been found"
        raise Failed(message) from None
