"""A monitor that shares its character device with a port: Ctrl-A switches.

``-nographic`` and ``-serial mon:stdio`` lead to both. As long as the port has the
device, nothing typed gets to the monitor, and what the monitor says waits.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from contextlib import suppress

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ESCAPE = 1  # Ctrl-A
_HELP = (
    b"\n\rC-a x    ends the machine\n\r"
    b"C-a c    switches between port and monitor\n\r"
    b"C-a C-a  is Ctrl-A itself\n\r"
    b"C-a h    shows this\n\r"
)
_LAST_WORDS = b"QEMU: Terminated\n\r"


class SwitchedSocket:
    """A socket, or what acts as one, whose monitor is there when it is switched to.

    Args:
        sock: The socket.
        end: Ends the machine.
        start_anew: Lets the monitor begin a line, when one comes back to it.
    """

    def __init__(
        self, sock: Any, end: Callable[[], None], start_anew: Callable[[], None]
    ) -> None:
        self._sock = sock
        self._end = end
        self._start_anew = start_anew
        self._was_on = False
        self._is_on = False
        self._is_escaped = False
        # No more comes than answers to what the monitor had heard before.
        self._held = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return what was typed for the monitor.

        Raises:
            BlockingIOError: None of what has come is for it.
        """
        return self._for_monitor(self._sock.recv(size, flags))

    def recvmsg(self, *sizes: int) -> tuple[bytes, list[Any], int, Any]:
        """Return what was typed for the monitor, and the descriptors beside it.

        Raises:
            BlockingIOError: None of what has come is for it.
        """
        data, *rest = self._sock.recvmsg(*sizes)
        return (self._for_monitor(data), *rest)

    def send(self, data: bytes | memoryview) -> int:
        """Send what there is room for, and return how much that was."""
        if not self._is_on:
            self._held += data
            return len(data)
        self._release()
        sent: int = self._sock.send(data)
        return sent

    def _for_monitor(self, data: bytes) -> bytes:
        if self._is_on:
            self._try_to_release()
        typed = bytearray()
        for byte in data:
            if self._is_escaped:
                self._is_escaped = False
                if byte != _ESCAPE:
                    self._obey(chr(byte))
                    continue
            elif byte == _ESCAPE:
                self._is_escaped = True
                continue
            if self._is_on:
                typed.append(byte)
        if data and not typed:
            raise BlockingIOError
        return bytes(typed)

    def _obey(self, letter: str) -> None:
        if letter == "c":
            self._switch()
        elif letter == "x":
            self._tell(_LAST_WORDS)
            self._end()
        elif letter in "h?":
            self._tell(_HELP)

    def _switch(self) -> None:
        self._is_on = not self._is_on
        if not self._is_on:
            self._tell(b"\r\n")
            return
        self._try_to_release()
        if self._was_on:
            self._start_anew()
        self._was_on = True

    def _tell(self, text: bytes) -> None:
        """Say something at once, or never: who reads so late has no use for it."""
        with suppress(BlockingIOError):
            self._sock.send(text)

    def _try_to_release(self) -> None:
        with suppress(BlockingIOError):  # again with what is said, or typed, next
            self._release()

    def _release(self) -> None:
        """Send what has waited.

        Raises:
            BlockingIOError: There is no room for all of it yet.
        """
        while self._held:
            del self._held[: self._sock.send(self._held)]
