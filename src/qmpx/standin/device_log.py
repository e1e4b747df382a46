"""What a character device sends, in a file too: ``logfile`` of ``-chardev``.

Source: QEMU 7.2.22, observed: the file has what goes out, not what comes in.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any

    from qmpx.standin.option_lists import OptionList


def open_log(options: OptionList) -> int | None:
    """Return a descriptor for what a character device sends; ``None`` if none is kept.

    Raises:
        StartFailure: There can be no such file.
    """
    path = options.get("logfile")
    if path is None:
        return None
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    if not options.switch("logappend"):
        flags |= os.O_TRUNC
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise options.failure(f"Could not create '{path}': {why}") from None


class LoggedSocket:
    """A socket, or what acts as one, that writes down what it has sent.

    Args:
        sock: The socket.
        log: The file's descriptor.
    """

    def __init__(self, sock: Any, log: int) -> None:
        self._sock = sock
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: bytes | memoryview) -> int:
        """Send what there is room for, and return how much that was."""
        sent: int = self._sock.send(data)
        os.write(self._log, data[:sent])
        return sent
