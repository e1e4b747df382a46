"""Bytes for the server's half of the wire, cut in any way, and what became of them."""

from __future__ import annotations

import sys
from gc import get_referents
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET, Raw, UnsetType

from qmpx.wire import Limits, Malformed, Parsed, Refused, ServerSession
from qmpx.wire.encode import encode_plainly
from qmpx.wire.framing import CommandReader, Item, read_json, spell_id
from qmpx.wire.lexer import Lexer
from qmpx.wire.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Admitted(NamedTuple):
    """A command that may be looked up: its members as they are handed on.

    Attributes:
        name: The command.
        id: As it goes back to the client; None if there is none.
        arguments: As JSON, spelled in one way; None if there are none.
        out_of_band: Whether it came as ``exec-oob``.
    """

    name: str
    id: bytes | None = None
    arguments: bytes | None = None
    out_of_band: bool = False


class Refusal(NamedTuple):
    """What was refused: the description, and the id as it goes back."""

    desc: str
    id: bytes | None = None


Outcome = Admitted | Refusal

NO_OBJECT = Refusal("QMP input must be a JSON object")
TOO_DEEP = Refusal("JSON nesting depth limit exceeded")
TOO_LONG = Refusal("JSON token size limit exceeded")
TOO_MANY = Refusal("JSON token count limit exceeded")


def fault(text: str) -> Refusal:
    """Return the refusal of a message that is no JSON."""
    return Refusal(f"JSON parse error, {text}")


def stray(text: str) -> Refusal:
    """Return the refusal of a token that is none."""
    return fault(f"stray '{text}'")


NO_VALUE = fault("expecting value")


def cuttings(data: bytes) -> Iterator[list[bytes]]:
    """Cut *data* into pieces of one byte, of two, and so on up to one piece."""
    for size in range(1, len(data) + 1):
        yield pieces(data, size)


def pieces(data: bytes, size: int) -> list[bytes]:
    """Cut *data* into pieces of *size* bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def negotiated(*enable: str, limits: Limits | None = None) -> ServerSession:
    """Return a session past its negotiation."""
    session = ServerSession(limits=limits or Limits())
    session.negotiate(list(enable))
    return session


def read(reader: CommandReader, chunks: Iterable[bytes]) -> list[Item]:
    """Return all that a reader finds."""
    items: list[Item] = []
    for chunk in chunks:
        reader.feed(chunk)
        while reader.unread:
            items += reader.take()
        assert reader.take() == []
    return items


def read_by_reference(data: bytes, limits: Limits | None = None) -> list[Item]:
    """Return what lexer and parser find, told one byte after the other."""
    limits = limits or Limits()
    lexer, parser = Lexer(limits.token_size), Parser(limits)
    items: list[Item] = []
    for code in data:
        byte, position = bytes([code]), 0
        while position < 1:
            token, position = lexer.next_token(byte, position)
            item = None if token is None else parser.push(token)
            if item is not None:
                items.append(item)
    return items


def admit(session: ServerSession, items: Iterable[Item]) -> list[Outcome]:
    """Return what a session says to each of *items*."""
    outcomes: list[Outcome] = []
    for item in items:
        command = session.admit(item)
        id_ = None if command.id is UNSET else spell_id(command.id)
        if isinstance(command, Refused):
            outcomes.append(Refusal(command.error.desc, id_))
            continue
        name = command.execute if command.exec_oob is UNSET else command.exec_oob
        assert isinstance(name, str)
        outcomes.append(
            Admitted(
                name,
                id_,
                canonical(command.arguments),
                out_of_band=command.exec_oob is not UNSET,
            )
        )
    return outcomes


def canonical(arguments: Raw | UnsetType) -> bytes | None:
    """Return arguments in the one spelling that means the same to QEMU."""
    if arguments is UNSET:
        return None
    return encode_plainly(read_json(bytes(arguments)))


def outcomes_of(chunks: Iterable[bytes], limits: Limits | None = None) -> list[Outcome]:
    """Return what becomes of a stream that comes in these chunks."""
    session = negotiated(limits=limits)
    return admit(session, read(session.reader, chunks))


def outcomes_by_reference(data: bytes, limits: Limits | None = None) -> list[Outcome]:
    """Return what becomes of a stream, without the fast path and without chunks."""
    return admit(negotiated(), read_by_reference(data, limits))


def has_fast_path(items: Iterable[Item]) -> bool:
    """Whether none of *items* came from the faithful path."""
    return not any(isinstance(item, Parsed | Malformed) for item in items)


def held(root: object) -> int:
    """Return how many bytes an object holds, with all that it refers to."""
    seen: set[int] = set()
    todo: list[object] = [root]
    size = 0
    while todo:
        each = todo.pop()
        if id(each) not in seen and not isinstance(
            each, type | ModuleType | FunctionType
        ):
            seen.add(id(each))
            size += sys.getsizeof(each)
            todo += get_referents(each)
    return size
