"""A character device: bytes to and from somewhere on the host.

The machine's side writes and reads; the host's side is what the kinds differ in. What
comes in while nobody reads is kept up to a limit, and then the host's side is left to
wait, as with any full pipe.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_UNREAD: Final = 1 << 16
"""Bytes that are kept while nobody reads them: as much as a Linux pipe holds."""

MAX_UNSENT: Final = 1 << 16
"""Bytes that wait for a slow reader on the host; beyond them, bytes are refused."""

MUX_USERS: Final = 4
"""Users of one multiplexed device, QEMU's own figure."""


class CharacterDevice:
    """A character device; by itself one that leads nowhere.

    Args:
        label: What it is called.
        filename: What ``query-chardev`` shows of where it leads.
        users: How many devices may use it.

    Attributes:
        listener: Called when something has come; it may `read` then.
        is_mux: Whether it is one of several users of another device.
        can_be_replaced: Whether its user does not mind if another device takes its
            place; a guest's serial port does not.
        front_is_open: Whether its user listens; ``None`` if that is as it is used.
        on_connection: Called when somebody has come to the other end (``True``) or
            left it (``False``); only of those to which clients come and go.
        on_drained: Called when there is room again for what was refused.
    """

    def __init__(self, label: str, filename: str, *, users: int = 1) -> None:
        self.label = label
        self.filename = filename
        self.free_users = self.users = users
        self.listener: Callable[[], None] | None = None
        self.is_mux = False
        self.can_be_replaced = True
        self.front_is_open: bool | None = None
        self.on_connection: Callable[[bool], None] | None = None
        self.on_drained: Callable[[], None] | None = None
        self._unread = bytearray()

    @property
    def is_front_open(self) -> bool:
        """Whether somebody in the machine listens to it."""
        if self.front_is_open is not None:
            return self.front_is_open
        return self.free_users < self.users

    @property
    def place(self) -> str:
        """Where it leads, and whether somebody is there."""
        return self.filename

    @property
    def is_connected(self) -> bool:
        """Whether somebody is at the other end."""
        return True

    async def open(self) -> None:
        """Open the host's side.

        Raises:
            OSError: The host refuses.
        """

    def close(self) -> None:
        """Close the host's side."""

    def write(self, data: bytes) -> int:
        """Send bytes, and return how many were taken; those that are not, may be later.

        Where nobody is at the other end all are taken, and lost.
        """
        return len(data)

    def read(self, size: int = MAX_UNREAD) -> bytes:
        """Return up to *size* bytes that have come; none if there are none."""
        data = bytes(self._unread[:size])
        del self._unread[:size]
        if len(self._unread) < MAX_UNREAD:
            self._let_in()
        return data

    def _came(self, data: bytes) -> None:
        """Keep bytes that have come, and shut the door if that is enough."""
        self._unread += data
        if len(self._unread) >= MAX_UNREAD:
            self._shut_out()
        if self.listener is not None:
            self.listener()

    def _shut_out(self) -> None:
        """Let the host's side wait."""

    def _let_in(self) -> None:
        """Let the host's side go on."""
