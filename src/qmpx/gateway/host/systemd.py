"""What systemd hands to a service, and what a service tells it.

No library is needed: sockets come as descriptors from 3 on, and what is told goes in
datagrams to a socket that the environment names. Without systemd nothing of that is
there, and nothing is done.

Source: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3), systemd.service(5) for
``Type=notify-reload``.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from typing import Final

from qmpx.errors import AddressError

_FIRST: Final = 3
"""The first descriptor that is handed over (SD_LISTEN_FDS_START)."""

MAX_HANDED: Final = 1024
"""Sockets that are taken: what a process may usually have open at all."""

PREFIX: Final = "systemd:"
"""How an address begins that is a socket of systemd's, by its name."""

logger = logging.getLogger("qmpx.gateway")


def take_sockets(environment: MutableMapping[str, str]) -> dict[str, list[int]]:
    """Return the sockets that were handed over, by name, once.

    The variables are removed, for they are meant for this process only, and the
    descriptors are not inherited by its children.

    Args:
        environment: That of the process.

    Raises:
        AddressError: What the variables say cannot be.
    """
    owner = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    spelled = environment.pop("LISTEN_FDNAMES", "")
    if not owner or not count or owner != str(os.getpid()):
        return {}
    if not count.isascii() or not count.isdigit() or int(count) > MAX_HANDED:
        message = f"LISTEN_FDS={count}: expected a number up to {MAX_HANDED}"
        raise AddressError(message)
    names = spelled.split(":") if spelled else []
    handed: dict[str, list[int]] = {}
    for index in range(int(count)):
        fd = _FIRST + index
        try:
            os.set_inheritable(fd, False)  # noqa: FBT003 - positional only
        except OSError as error:
            message = f"LISTEN_FDS={count}: descriptor {fd} is not open"
            raise AddressError(message) from error
        # Without names systemd's own default applies.
        name = names[index] if index < len(names) else "unknown"
        handed.setdefault(name, []).append(fd)
    return handed


def resolve(address: str, handed: Mapping[str, list[int]]) -> list[str]:
    """Return an address as it can be listened on: ``systemd:NAME`` as descriptors.

    Args:
        address: As configured; any other one is returned as it is.
        handed: What `take_sockets` returned.

    Raises:
        AddressError: No socket of that name was handed over.
    """
    if not address.startswith(PREFIX):
        return [address]
    name = address.removeprefix(PREFIX)
    if name not in handed:
        there = ", ".join(sorted(handed)) or "none"
        message = (
            f"{address}: systemd handed over no socket of that name (there: {there}). "
            f"A .socket unit names its own with FileDescriptorName={name}"
        )
        raise AddressError(message)
    return [f"fd:{fd}" for fd in handed[name]]


class Notifier:
    """Tells systemd how the service is; does nothing where nobody listens.

    Args:
        environment: That of the process: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and
            ``WATCHDOG_PID``.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._place = environment.get("NOTIFY_SOCKET", "")
        self._pause = _watchdog(environment)

    @property
    def watchdog_pause(self) -> float | None:
        """Seconds between two signs of life; ``None`` if nobody waits for any.

        Half of what systemd allows, as sd_watchdog_enabled(3) has it.
        """
        return self._pause if self._place else None

    def ready(self, status: str) -> None:
        """Say that the service is there, also after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """Say in a few words how it is."""
        self._tell(f"STATUS={text}")

    def reloading(self) -> None:
        """Say that the configuration is being read anew; `ready` ends that."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self, seconds: float) -> None:
        """Say that the service ends, and how long that may take."""
        self._tell(
            "STOPPING=1",
            f"STATUS=ending: clients have {seconds:g} s",
            f"EXTEND_TIMEOUT_USEC={round((seconds + 1) * 1e6)}",
        )

    def alive(self) -> None:
        """Give the watchdog a sign of life."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._place:
            return
        # A line break in a text would begin another assignment.
        text = "\n".join(line.replace("\n", " ") for line in lines)
        name = self._place
        if name.startswith("@"):
            name = "\0" + name[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0)
                sock.connect(name)
                sock.send(text.encode())
        except OSError as error:
            # The service goes on: that nobody hears of it is no reason to end.
            logger.warning("cannot tell systemd %r: %s", lines[0], error)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    owner = environment.get("WATCHDOG_PID", "")
    usec = environment.get("WATCHDOG_USEC", "")
    if not usec.isascii() or not usec.isdigit() or int(usec) == 0:
        return None
    if owner and owner != str(os.getpid()):
        return None
    return int(usec) / 2e6
