"""One command and its reply, with nothing but the standard library.

A one-shot command should be done before a person notices. Most of its time goes into
imports, so this conversation does without the client and its codec: it knows one
command in flight, and passes over events.
"""

from __future__ import annotations

import json
import time

from qmpx.errors import (
    CommandError,
    CommandNotFound,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.address import parse_address
from qmpx.transport.bearer import AUTHENTICATE, Token, token_of
from qmpx.transport.dial import open_stream

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, Final

MAX_REPLY: Final = 64 * 1024 * 1024
"""Most bytes of a reply, as for the client."""

SUGGESTING: Final = 5.0
"""Seconds at most for the names of the commands, where there is none of that name."""

_BLANK: Final = " \t\r\n"


def run_command(
    address: str,
    command: str,
    arguments: dict[str, Any],
    *,
    out_of_band: bool = False,
    timeout: float,
    connect_timeout: float,
) -> Any:
    """Run one command and return what it returned.

    Args:
        address: Where the monitor is.
        command: Its name.
        arguments: Its arguments.
        out_of_band: Whether it is to run out of band.
        timeout: Seconds for the reply.
        connect_timeout: Seconds for connection, greeting and negotiation together.

    Raises:
        QmpxError: It was refused, or there is no conversation.
    """
    conversation = _Conversation(address, connect_timeout)
    try:
        conversation.negotiate(out_of_band=out_of_band)
        verb = "exec-oob" if out_of_band else "execute"
        message: dict[str, Any] = {verb: command}
        if arguments:
            message["arguments"] = arguments
        reply = conversation.ask(message, 2, time.monotonic() + timeout)
        if reply is None:
            raise DeadlineExceeded(command, timeout)
        try:
            return _value(reply, command)
        except CommandNotFound as error:
            if hint := conversation.alike(command, min(timeout, SUGGESTING)):
                error.add_note(hint)
            raise
    finally:
        conversation.close()


class _Conversation:
    """A connection to a monitor, from its greeting on."""

    def __init__(self, address: str, timeout: float) -> None:
        self._address = parse_address(address)
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._token = token_of(None)
        if self._token is not None and not self._token.may_go_to(self._address):
            self._token = None
        self._stream = open_stream(self._address, timeout=timeout)
        self._text = bytearray()
        self._messages: list[Any] = []

    def close(self) -> None:
        self._stream.close()

    def negotiate(self, *, out_of_band: bool) -> None:
        greeting: Any = None
        while not isinstance(greeting, dict) or "QMP" not in greeting:
            greeting = self._next(self._deadline)
            if greeting is None:
                raise self._silence()
        message: dict[str, Any] = {"execute": "qmp_capabilities"}
        if out_of_band:
            offered = greeting["QMP"].get("capabilities") or []
            if "oob" not in offered:
                text = (
                    "this server does not offer out-of-band execution; it offers "
                    f"{', '.join(map(str, offered)) or 'no capabilities'}"
                )
                raise LocalProtocolError(text)
            message["arguments"] = {"enable": ["oob"]}
        reply = self.ask(message, 1, self._deadline)
        if reply is None:
            raise self._silence()
        _value(reply, "qmp_capabilities")
        if self._token is not None:
            self._show(self._token)

    def _show(self, token: Token) -> None:
        """Show the environment's token; a server that takes none is none the worse."""
        message = {"execute": AUTHENTICATE, "arguments": {"token": token.reveal()}}
        reply = self.ask(message, 0, self._deadline)
        if reply is None:
            raise self._silence()
        try:
            _value(reply, AUTHENTICATE)
        except CommandNotFound:
            return
        except CommandError as error:
            raise token.refused(self._address, error.desc) from error

    def _silence(self) -> QmpxError:
        from qmpx.client.silence import explain_silence

        return explain_silence(self._address, self._stream.sock, self._timeout)

    def ask(self, message: dict[str, Any], id_: int, deadline: float) -> Any:
        """Return the reply to a command, or ``None`` if none comes in time."""
        message["id"] = id_
        text = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            while text:
                text = text[self._stream.send(text) :]
                if text:
                    self._stream.wait_writable(deadline, or_readable=False)
                    if time.monotonic() >= deadline:
                        return None
        except OSError as error:
            raise _broken(error) from error
        while (reply := self._next(deadline)) is not None:
            # A server that leaves ids out answers in order.
            if (
                isinstance(reply, dict)
                and ("return" in reply or "error" in reply)
                and reply.get("id", id_) == id_
            ):
                return reply
        return None

    def alike(self, command: str, timeout: float) -> str:
        """Return which commands may have been meant; empty if none is like it."""
        import difflib  # it is not free, and seldom needed

        message = {"execute": "query-commands"}
        try:
            reply = self.ask(message, 3, time.monotonic() + timeout)
            told = _value(reply, "query-commands") if reply else []
            names = [str(each["name"]) for each in told]
        except (QmpxError, KeyError, TypeError):
            return ""  # this only helps; what is wrong is told already
        close = difflib.get_close_matches(command, names)
        return f"did you mean {' or '.join(map(repr, close))}?" if close else ""

    def _next(self, deadline: float) -> Any:
        """Return the next message, or ``None`` if none comes in time."""
        while not self._messages:
            try:
                data = self._stream.receive(deadline)
            except OSError as error:
                raise _broken(error) from error
            if data is None:
                return None
            if not data:
                message = "the peer closed the connection"
                raise ConnectionLost(message)
            self._text += data
            # A message ends with its bracket, and mostly with a newline behind it.
            if data[-1] in b"}\n":
                self._read()
            if len(self._text) > MAX_REPLY:
                message = f"a message of the server exceeds {MAX_REPLY} bytes"
                raise RemoteProtocolError(message)
        return self._messages.pop(0)

    def _read(self) -> None:
        text = self._text.decode("utf-8", "replace").lstrip(_BLANK)
        decode = json.JSONDecoder().raw_decode
        while text:
            try:
                message, end = decode(text)
            except ValueError as error:
                if text[0] != "{":
                    reason = f"the server sent what is no QMP message: {text[:80]!r}"
                    raise RemoteProtocolError(reason) from error
                break  # cut off; more will come
            except RecursionError:
                reason = "the server sent what is no QMP message: it is nested too deep"
                raise RemoteProtocolError(reason) from None
            self._messages.append(message)
            text = text[end:].lstrip(_BLANK)
        self._text = bytearray(text.encode("utf-8", "surrogatepass"))


def _value(reply: dict[str, Any], command: str) -> Any:
    if "return" in reply:
        return reply["return"]
    error = reply["error"]
    if not isinstance(error, dict):
        message = f"the reply to {command!r} holds no error object: {error!r}"
        raise RemoteProtocolError(message)
    raise CommandError.from_reply(
        str(error.get("class", "GenericError")),
        str(error.get("desc", "")),
        error["data"] if isinstance(error.get("data"), dict) else {},
        command,
    )


def _broken(error: OSError) -> ConnectionLost:
    return ConnectionLost(f"the connection broke: {error.strerror or error}")
