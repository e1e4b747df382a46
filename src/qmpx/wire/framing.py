r"""A client's bytes to its commands: the fast path and the faithful path.

Nearly every chunk holds whole, plain commands: msgspec takes the chunk at once. It
passes some things that QEMU refuses, so what might hold any of them is not plain:

* a member twice in one object: the colons of the chunk are counted, and there must be
  as many as members;
* U+FFFE and its like, raw or escaped: only ASCII without ``\u`` is plain;
* more than 1024 brackets open;
* ``0e1``, two tokens for QEMU.

The spelling of an ``id`` is mended when it goes back: see `spell_id`.

Whatever else there is goes through the lexer and the parser, which are exact. Once a
chunk turned out not to be plain the rest of it is not tried again, so that the work
stays linear in what is sent.
"""

import re
from collections.abc import Callable, Iterable
from json import loads
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from qmpx.wire.encode import encode, encode_exactly, encode_plainly
from qmpx.wire.member_order import order
from qmpx.wire.messages import Command
from qmpx.wire.outcomes import Limits, Malformed, Parsed

if TYPE_CHECKING:
    from qmpx.wire.lexer import Lexer
    from qmpx.wire.parser import Parser

Item = Command | Parsed | Malformed

MAX_ITEMS: Final = 64
"""Most items that the faithful path returns at once.

A chunk of garbage is an error for each byte; the taker decides when to go on.
"""

MAX_BYTES: Final = 1024
"""Most bytes that the faithful path looks at at once: some milliseconds' work."""

_decode_commands: Final = msgspec.json.Decoder(Command).decode_lines
_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
# Escapes and numbers that QEMU may take for something else.
_UNLIKE: Final = re.compile(rb"\\u|0[eE]|[0-9]{19}")
_NO_JSON: Final = (
    msgspec.DecodeError,  # ValidationError is one
    UnicodeDecodeError,
    RecursionError,
)


class Json(NamedTuple):
    """How JSON was read and spelled in some year.

    Attributes:
        read: Makes what cuts bytes into tokens, and what makes values of these.
        not_plain: What msgspec would take and that year's QEMU would not, or would read
            in another way. That it may stand in a string, too, costs only time.
        spell_id: Spells an id that was read, for the way back. ``None`` leaves that to
            the way back: today most ids go as they came.
        encode: Spells what the server says.
        order: The order in which the members of an object are looked at.
    """

    read: "Callable[[Limits], tuple[Lexer, Parser]]"
    not_plain: re.Pattern[bytes]
    spell_id: Callable[[Any], bytes] | None
    encode: Callable[[Any], bytes]
    order: Callable[[Iterable[str]], Iterable[str]]


def _read(limits: Limits) -> "tuple[Lexer, Parser]":
    # When a stream needs them first: most are plain from beginning to end.
    from qmpx.wire.lexer import Lexer
    from qmpx.wire.parser import Parser

    return Lexer(limits.token_size), Parser(limits)


MODERN_JSON: Final = Json(
    _read,
    re.compile(rb"0[eE]"),
    spell_id=None,
    encode=encode,
    order=order,
)


class CommandReader:
    """Find the commands in one client's stream; however it is cut, they are the same.

    Args:
        limits: What one unfinished message may come to.
        json: The JSON of which year.
    """

    __slots__ = (
        "_data",
        "_json",
        "_lexer",
        "_limits",
        "_max_plain",
        "_parser",
        "_position",
        "_try_plain",
    )

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        json: Json = MODERN_JSON,
    ) -> None:
        self._limits = limits
        self._json = json
        # So much text passes no limit, but perhaps that on nesting.
        self._max_plain = min(limits.token_size - 1, limits.token_count)
        self._data = b""
        self._position = 0
        self._try_plain = True
        self._lexer: Lexer | None = None  # made when first needed: most never are
        self._parser: Parser | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes; everything before must have been taken out."""
        if self._position < len(self._data):
            data = self._data[self._position :] + data
        self._data = data
        self._position = 0
        self._try_plain = True

    @property
    def unread(self) -> int:
        """How many bytes are still to be looked at."""
        return len(self._data) - self._position

    @property
    def held(self) -> int:
        """About how many bytes of memory the text takes that is no message yet."""
        held = self.unread
        if self._lexer is not None and self._parser is not None:
            held += self._lexer.held + self._parser.held
        return held

    def take(self) -> list[Item]:
        """Return the next items; an empty list when all that was fed is read."""
        if self._position >= len(self._data):
            self._data = b""
            self._position = 0
            return []
        if self._try_plain and (
            self._parser is None
            or self._lexer is None
            or (self._lexer.is_idle and self._parser.is_idle)
        ):
            commands = self._take_plain()
            if commands:
                return commands  # type: ignore[return-value]
        return self._take_faithfully()

    def _take_plain(self) -> list[Command]:
        text = self._data[self._position :] if self._position else self._data
        self._try_plain = False
        if text[-1] not in b"}\n":
            # The chunk ends within a message: take what surely lies before it.
            end = max(text.rfind(b"}\n"), text.rfind(b"}{"), text.rfind(b"}\r")) + 1
            if end == 0:
                return []
            text = text[:end]
        if len(text) > self._max_plain or not text.isascii():
            return []
        escapes = 0x5C in text
        if (escapes and b"\\u" in text) or self._json.not_plain.search(text):
            return []
        try:
            commands = _decode_commands(text)
        except _NO_JSON:
            return []
        if not commands or _nests_deep(text, len(commands), self._limits.nesting):
            return []
        if _repeats_members(text, commands):
            return []
        if spell := self._json.spell_id:
            for command in commands:
                if command.id is not UNSET and not _is_spelled(bytes(command.id)):
                    spelled = spell(read_json(bytes(command.id), self._json))
                    command.id = spelled  # type: ignore[assignment]
        elif escapes or 0x7F in text:
            for command in commands:
                if command.id is not UNSET:
                    command.id = Raw(encode_plainly(read_json(bytes(command.id))))
        self._position += len(text)
        return commands

    def _take_faithfully(self) -> list[Item]:
        if self._lexer is None or self._parser is None:
            self._lexer, self._parser = self._json.read(self._limits)
        next_token, push = self._lexer.next_token, self._parser.push
        data, position = self._data, 0
        if self._position or len(data) > MAX_BYTES:
            data = data[self._position : self._position + MAX_BYTES]
        items: list[Item] = []
        while position < len(data):
            token, position = next_token(data, position)
            if token is None:
                break
            item = push(token)
            if item is not None:
                items.append(item)
                if self._try_plain or len(items) == MAX_ITEMS:
                    break
        self._position += position
        return items


def _nests_deep(text: bytes, commands: int, nesting: int) -> bool:
    """Whether some command of *text* might pass the limit on nesting."""
    if len(text) <= nesting:
        return False
    return text.count(b"[") + text.count(b"{") - commands >= nesting


def _repeats_members(text: bytes, commands: list[Command]) -> bool:
    """Whether an object in *text* might hold a member twice."""
    members = 0
    for command in commands:
        members += (
            (command.execute is not UNSET)
            + (command.exec_oob is not UNSET)
            + (command.execute_async is not UNSET)
            + (command.arguments is not UNSET)
            + (command.id is not UNSET)
        )
    colons = text.count(b":")
    if colons == members:
        return False
    for command in commands:
        for value in (command.arguments, command.id):
            if value is not UNSET:
                raw = bytes(value)
                inside = raw.count(b":")
                if inside and raw[0] != 0x22 and _repeats_inside(raw, inside):
                    return True
                members += inside
    return colons != members


def _repeats_inside(raw: bytes, colons: int) -> bool:
    try:
        if len(_decode_members(raw)) == colons:
            return False
    except _NO_JSON:
        pass  # an id that is an array, say: the next look settles it
    return _repeats_inside_any(raw)


def _repeats_inside_any(raw: bytes) -> bool:
    try:
        loads(raw, object_pairs_hook=_refuse_repeats)
    except (ValueError, RecursionError):
        return True
    return False


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        message = "a member stands twice"
        raise ValueError(message)


def _is_spelled(text: bytes) -> bool:
    """Whether an id is spelled alike in all years: a plain string, a short number."""
    if text[0] == 0x22:
        return b"\\" not in text
    return text.isdigit() and len(text) < 19


def spell_id(raw: Raw | bytes) -> bytes:
    """Return an ``id`` in QEMU's spelling, in which it goes back to the client.

    Args:
        raw: As it came; ``bytes`` is spelled already.
    """
    text = bytes(raw)
    # Short integers and plain strings, so all ids in practice, are spelled right.
    if text[0] == 0x22 or (text.isdigit() and len(text) < 19):
        return text
    return text if type(raw) is bytes else respell(text)


def respell(text: bytes) -> bytes:
    """Return valid JSON in QEMU's spelling, with the limits of its numbers."""
    try:
        return encode(_read_quickly(text))
    except _NO_JSON:
        return encode_exactly(read_json(text))


def read_json(text: bytes, json: Json = MODERN_JSON) -> Any:
    """Return what valid JSON stands for in QEMU, however deep it is nested.

    Args:
        text: The JSON.
        json: That of which year.

    Raises:
        ValueError: It is not valid for QEMU.
    """
    if json is MODERN_JSON:
        try:
            return _read_quickly(text)
        except _NO_JSON:
            pass  # it is unusual, or wrong: what follows settles it
    text += b" "  # which ends a bare number
    size = len(text)
    lexer, parser = json.read(Limits(size + 1, size, size))
    position, item = 0, None
    while not isinstance(item, Parsed):
        token, position = lexer.next_token(text, position)
        if token is None or isinstance(item, Malformed):
            message = f"cannot read {text!r}: {item}"
            raise ValueError(message)
        item = parser.push(token)
    return item.value


def _read_quickly(text: bytes) -> Any:
    """Return what JSON stands for that is alike for everybody.

    Some hundred times as quick as the parser, which is what a client with a long id
    makes the others wait for.

    Raises:
        msgspec.DecodeError, RecursionError: It is not valid, too deep, or for QEMU it
            may be something else.
    """
    if not text.isascii() or _UNLIKE.search(text):
        message = "not alike for everybody"
        raise msgspec.DecodeError(message)
    value = msgspec.json.decode(text)
    if b":" in text and _repeats_inside_any(text):
        message = "a member stands twice"
        raise msgspec.DecodeError(message)
    return value
