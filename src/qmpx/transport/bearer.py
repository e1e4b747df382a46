"""The token that a client shows to a gateway: where it is from, and who may see it.

It is a secret: nothing that is printed, logged or raised holds it.
"""

from __future__ import annotations

import os
import stat

from qmpx.errors import ConnectError, LocalProtocolError
from qmpx.transport.address import Address, TcpAddress, is_loopback

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Final

AUTHENTICATE: Final = "x-qmpx-authenticate"
"""The gateway's command that takes it."""

MAX_TOKEN: Final = 256
"""Most characters of a token, as gateways have it; one of theirs has 48."""

VARIABLE: Final = "QMPX_TOKEN"
FILE_VARIABLE: Final = "QMPX_TOKEN_FILE"


class Token:
    """A token that is shown when a conversation begins.

    Args:
        text: The token.
        source: Where it is from, for messages; empty: the program itself.

    Raises:
        LocalProtocolError: It can be none.
    """

    __slots__ = ("_text", "source")

    def __init__(self, text: str, source: str = "") -> None:
        if not (0 < len(text) <= MAX_TOKEN and text.isascii() and text.isprintable()):
            message = (
                f"{source or 'token'}: that is no token: expected 1 to {MAX_TOKEN} "
                "printable ASCII characters"
            )
            raise LocalProtocolError(message)
        self._text = text
        self.source = source

    def __repr__(self) -> str:
        return "Token(hidden)"

    def __reduce__(self) -> tuple[object, ...]:
        message = "a token is not pickled, for it is a secret"
        raise TypeError(message)

    def reveal(self) -> str:
        """Return the secret, to be sent and nothing else."""
        return self._text

    def may_go_to(self, address: Address) -> bool:
        """Whether to show it there; one of the environment is not shown to all.

        Raises:
            ConnectError: It is for this conversation, and others could read it.
        """
        if not isinstance(address, TcpAddress) or is_loopback(address):
            return True
        reason = "a token would go there for everybody to read"
        if not self.source:
            hint = f"use tls{str(address).removeprefix('tcp')}, or a tunnel"
            raise ConnectError(str(address), reason, hint)
        import logging  # a one-shot command does without it

        logging.getLogger("qmpx.client").warning(
            "%s: the token of %s is not sent: %s", address, self.source, reason
        )
        return False

    def refused(self, address: Address, reason: str) -> ConnectError:
        """Return the error for a gateway that does not take it."""
        source = f" of {self.source}" if self.source else ""
        text = f"the token{source} was not taken: {reason}"
        return ConnectError(str(address), text, "ask for another: qmpx gateway token")


def token_of(token: str | Token | None) -> Token | None:
    """Return the token to show: the one that is given, else the environment's.

    That is what ``QMPX_TOKEN`` holds, or the file that ``QMPX_TOKEN_FILE`` names, which
    nobody else may be able to read. They are read now. An empty text means none, also
    where the environment has one.

    Raises:
        LocalProtocolError: What is there can be no token, or others can read the file.
    """
    if token is not None:
        if isinstance(token, Token):
            return token
        return Token(token) if token else None
    if text := os.environ.get(VARIABLE):
        return Token(text.strip(), VARIABLE)
    if path := os.environ.get(FILE_VARIABLE):
        return Token(_read(path), FILE_VARIABLE)
    return None


def _read(path: str) -> str:
    try:
        # Not blocking: it might be a pipe that nobody writes to.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            mode = os.fstat(fd).st_mode
            if not stat.S_ISREG(mode):
                message = f"{FILE_VARIABLE}: {path} is no regular file"
                raise LocalProtocolError(message)
            if mode & 0o077:
                message = f"{FILE_VARIABLE}: others can use {path}; expected mode 0600"
                raise LocalProtocolError(message)
            return file.read(MAX_TOKEN * 2).decode("ascii", "replace").strip()
    except OSError as error:
        message = f"{FILE_VARIABLE}: {path}: {error.strerror}"
        raise LocalProtocolError(message) from None
