"""What became of a command: its value, or the error that its reply tells of."""

import logging
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from qmpx.errors import (
    CommandError,
    CommandNotFound,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.address import Address
from qmpx.transport.bearer import AUTHENTICATE, Token
from qmpx.wire.messages import ServerMessage

logger = logging.getLogger("qmpx.client")

decode: Final = msgspec.json.Decoder().decode


UNREADABLE: Final = (ValueError, RecursionError)
"""What `decode` raises; the exceptions of msgspec are a ValueError, too."""


def unreadable(name: str, error: Exception) -> RemoteProtocolError:
    """Return the error for a reply that is JSON by its brackets only."""
    return RemoteProtocolError(f"the reply to {name!r} cannot be read: {error}")


def read_raw(message: ServerMessage, name: str) -> Raw:
    """Return what a command returned, unread.

    Raises:
        CommandError: The reply is an error.
        RemoteProtocolError: It is neither.
    """
    if message.returned is not UNSET:
        return message.returned
    raise read_error(message, name)


def read_value(message: ServerMessage, name: str) -> Any:
    """Return what a command returned; errors as `read_raw`."""
    if message.returned is UNSET:
        raise read_error(message, name)
    try:
        return decode(message.returned)
    except UNREADABLE as error:
        raise unreadable(name, error) from error


def read_error(message: ServerMessage, name: str) -> QmpxError:
    """Return the error that a reply tells of."""
    error = message.error
    if error is UNSET:
        return RemoteProtocolError(f"the reply to {name!r} holds nothing")
    data = error.data if isinstance(error.data, dict) else {}
    return CommandError.from_reply(error.error_class, error.desc, data, name)


def is_taken(message: ServerMessage, token: Token, address: Address) -> bool:
    """Whether a token was taken; it is not where a server knows nothing of tokens.

    Raises:
        ConnectError: It does not count there, or was given for this very server.
    """
    try:
        read_value(message, AUTHENTICATE)
    except CommandNotFound as error:
        if not token.source:
            raise token.refused(address, "the server takes none") from error
        logger.info("%s takes no tokens; that of %s is not used", address, token.source)
        return False
    except CommandError as error:
        raise token.refused(address, error.desc) from error
    return True
