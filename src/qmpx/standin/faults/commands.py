"""What a client sends, on its way into a session: looked at, and perhaps doomed.

A session reads commands from a reader and has its protocol state admit them. Here
stand both, each in front of the real one: the reader tells of each command, and what
is doomed the state refuses. So a doomed command is not run, and its answer has its
place among the others; the channel then puts another in its place.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import CommandError, GenericError
from qmpx.wire.encode import encode_plainly
from qmpx.wire.framing import CommandReader, Item
from qmpx.wire.messages import Command
from qmpx.wire.outcomes import Parsed
from qmpx.wire.server import Refused, ServerSession

WAYS: Final = ("execute", "exec-oob", "execute_async")
"""The members that name a command."""


class InjectedError(CommandError):
    """An error of any class and text.

    Args:
        error_class: The class.
        desc: The text.
    """

    def __init__(self, error_class: str, desc: str) -> None:
        self._set(error_class, desc, {}, None)


class Doomed(Command):
    """A command that is not to be run."""

    error: Any = None


class WatchedReader:
    """A reader that tells of each command that it has read.

    Args:
        reader: The real one.
        look: Told of each item; returns an error if it is not to be run.
    """

    def __init__(
        self, reader: CommandReader, look: Callable[[Item], CommandError | None]
    ) -> None:
        self._reader = reader
        self._look = look

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._reader.feed(data)

    @property
    def unread(self) -> int:
        """How many bytes are still to be looked at."""
        return self._reader.unread

    def take(self) -> list[Item]:
        """Return the next items."""
        return [self._seen(item) for item in self._reader.take()]

    def _seen(self, item: Item) -> Item:
        error = self._look(item)
        if error is None:
            return item
        ways = {"execute": name_of(item)}
        if is_out_of_band(item):
            ways = {"exec_oob": name_of(item)}
        return Doomed(**ways, id=id_of(item), error=error)  # type: ignore[arg-type]


class WatchedState(ServerSession):
    """A conversation's state that refuses what is doomed.

    Args:
        state: The real one, which has not begun.
        look: See `WatchedReader`.
    """

    __slots__ = ()

    def __init__(
        self, state: ServerSession, look: Callable[[Item], CommandError | None]
    ) -> None:
        super().__init__(state.offered, rules=state.rules)
        self.reader = WatchedReader(state.reader, look)  # type: ignore[assignment]

    def admit(self, item: Item) -> Command | Refused:
        """Return the command in *item*, or why it is not to be run."""
        if isinstance(item, Doomed):
            error = item.error if item.error is not None else GenericError("doomed")
            return Refused(error, item.id)
        return super().admit(item)


def name_of(item: Item) -> str:
    """Return the name of the command, as far as it has one."""
    if isinstance(item, Command):
        ways = (item.execute, item.exec_oob, item.execute_async)
        return next((way for way in ways if isinstance(way, str)), "")
    if isinstance(item, Parsed) and isinstance(item.value, dict):
        named = (item.value.get(way) for way in WAYS)
        return next((name for name in named if isinstance(name, str)), "")
    return ""


def id_of(item: Item) -> Raw | UnsetType:
    """Return the id of the command, unread, if it has one."""
    if isinstance(item, Command):
        return item.id
    value = item.value if isinstance(item, Parsed) else None
    if isinstance(value, dict) and "id" in value:
        return Raw(encode_plainly(value["id"]))
    return UNSET


def arguments_of(item: Item) -> Any:
    """Return the arguments of the command; an empty object if it has none."""
    if isinstance(item, Command) and isinstance(item.arguments, Raw):
        try:
            return msgspec.json.decode(item.arguments)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
    if isinstance(item, Parsed) and isinstance(item.value, dict):
        return item.value.get("arguments", {})
    return {}


def is_out_of_band(item: Item) -> bool:
    """Whether the command is to be run out of band."""
    if isinstance(item, Command):
        return item.exec_oob is not UNSET
    return (
        isinstance(item, Parsed)
        and isinstance(item.value, dict)
        and "exec-oob" in item.value
    )


def text_of(item: Item) -> bytes:
    """Return a command as JSON, for whoever keeps a transcript."""
    if isinstance(item, Parsed):
        return encode_plainly(item.value)
    if not isinstance(item, Command):
        return b""
    members = [
        (way, encode_plainly(name))
        for way, name in zip(
            WAYS, (item.execute, item.exec_oob, item.execute_async), strict=True
        )
        if name is not UNSET
    ]
    if item.arguments is not UNSET:
        members.append(("arguments", bytes(item.arguments)))
    if item.id is not UNSET:
        members.append(("id", bytes(item.id)))
    return b"{%b}" % b", ".join(b'"%b": %b' % (n.encode(), t) for n, t in members)
