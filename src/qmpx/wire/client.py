"""The client's half of the wire: a server's bytes to its messages.

A server ends each message with a newline, and so a chunk is cut at its last newline and
decoded at once. Real servers do other things, too: ``pretty=on`` spreads a message over
lines, some programs leave the newline out. What looks cut off is tried again when more
has come: in pretty mode when a line begins with the bracket that closes a message.

Source: QMP specification 2.1.1; observed on QEMU 7.2 and on programs that imitate it.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from qmpx.errors import RemoteProtocolError
from qmpx.wire.messages import ServerMessage

MAX_MESSAGE_SIZE: Final = 64 * 1024 * 1024
"""Most bytes of one message of a server: some three hundred times its largest reply."""

Decode = Callable[[bytes | bytearray], list[Any]]

_decode: Final = msgspec.json.Decoder(ServerMessage).decode_lines
_TRUNCATED: Final = "Input data was truncated"
_NO_MESSAGES: Final = (
    msgspec.DecodeError,  # ValidationError is one
    UnicodeDecodeError,
    RecursionError,
)
_CLOSING: Final = re.compile(rb"\n\}[ \t]*\r?(?=\n)")


class MessageReader:
    """Find the messages in one server's stream.

    Args:
        max_message_size: Most bytes of one message.
        decode: Makes messages of lines; who hands them on unread has a kind of its own.
    """

    __slots__ = (
        "_buffer",
        "_decode",
        "_ends_lines",
        "_is_pretty",
        "_max_message_size",
    )

    def __init__(
        self,
        max_message_size: int = MAX_MESSAGE_SIZE,
        decode: Decode | None = None,
    ) -> None:
        self._max_message_size = max_message_size
        self._decode = decode
        self._buffer = bytearray()
        self._ends_lines = False  # until a newline shows that this server sends them
        self._is_pretty = False

    def receive(self, data: bytes) -> list[ServerMessage]:
        """Take the next bytes; return the messages that are complete with them.

        Raises:
            RemoteProtocolError: They are no messages. Nothing more can be read.
        """
        if not self._buffer and data.endswith(b"\n") and not self._is_pretty:
            self._ends_lines = True
            messages = self._try(data)
            if messages is not None:
                return messages
        return self._gather(data)

    def _gather(self, data: bytes) -> list[ServerMessage]:
        searched = len(self._buffer)
        self._buffer += data
        end = self._find_end(searched)
        while end:
            # What is kept raw refers to the text, which is therefore handed over.
            text, rest = self._buffer, self._buffer[end:]
            del text[end:]
            messages = self._try(text)
            if messages is not None:
                self._buffer = rest
                return messages
            self._buffer = text + rest
            if self._is_pretty or not self._ends_lines:
                break
            # Whole lines, yet cut off: this server spreads its messages over lines.
            self._is_pretty = True
            end = self._find_end(0)
        if len(self._buffer) > self._max_message_size:
            message = (
                f"a message of the server exceeds {self._max_message_size} bytes; if "
                "that is what it should send, raise max_message_size"
            )
            raise RemoteProtocolError(message)
        return []

    def _find_end(self, searched: int) -> int:
        """Return where in the buffer the last whole message may end, or 0."""
        buffer = self._buffer
        if self._is_pretty:
            # The last line that begins with the closing bracket.
            ends = [m.end() for m in _CLOSING.finditer(buffer, max(searched - 4, 0))]
            return ends[-1] + 1 if ends else 0
        end = buffer.rfind(b"\n", searched) + 1
        if end:
            self._ends_lines = True
            return end
        if not self._ends_lines and buffer.endswith(b"}"):
            return len(buffer)
        return 0

    def _try(self, text: bytes | bytearray) -> list[ServerMessage] | None:
        """Return the messages in *text*; ``None`` if it is cut off."""
        try:
            return (self._decode or _decode)(text)
        except _NO_MESSAGES as error:
            if b"\\ud" in text or b"\\uD" in text:
                # A lone surrogate, as old servers send it, is no JSON for msgspec.
                return _without_surrogates(text, self._decode or _decode)
            if str(error) != _TRUNCATED:
                raise _refuse(text, error) from error
        return None


def _without_surrogates(
    text: bytes | bytearray, decode: Decode
) -> list[ServerMessage] | None:
    """Return the messages with a "?" for each lone surrogate; ``None`` if cut off."""
    decoder = json.JSONDecoder()
    rest = text.decode("utf-8", "replace").strip()
    values: list[Any] = []
    try:
        while rest:
            value, end = decoder.raw_decode(rest)
            values.append(value)
            rest = rest[end:].lstrip()
        mended = "\n".join(json.dumps(value, ensure_ascii=False) for value in values)
        return decode(mended.encode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        if error.pos == len(rest) or error.msg.startswith("Unterminated string"):
            return None
        raise _refuse(text, error) from error
    except (ValueError, RecursionError) as error:
        raise _refuse(text, error) from error


def _refuse(text: bytes | bytearray, error: Exception) -> RemoteProtocolError:
    start = text[:80].decode("utf-8", "backslashreplace")
    return RemoteProtocolError(
        f"the server sent what is no QMP message ({error}): {start!r}"
    )
