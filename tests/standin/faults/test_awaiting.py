"""Which command a reply answers, however its id is spelled."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, Raw

from qmpx.standin.faults.awaiting import MAX_AWAITED, AwaitedReplies, read_id
from qmpx.wire.messages import Command


def command(name: str, id_: bytes | None = None) -> Any:
    return Command(name, id=UNSET if id_ is None else Raw(id_))


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        (b"1", b"1"),
        (b"1.50", b"1.5"),
        (b'"\\u0041"', b'"A"'),
        (b'{"b":[1,2],"a":1}', b'{"a": 1, "b": [1, 2]}'),
        (b"-0", b"0"),
        (b"1e400", b"1e400"),
        (b"[" * 1000 + b"]" * 1000, b"[ " * 1000 + b"]" * 1000),
    ],
    ids=["integer", "double", "escape", "object", "zero", "too large", "deep"],
)
def test_an_id_is_known_again(sent: bytes, back: bytes) -> None:
    awaited = AwaitedReplies()
    for id_ in (b"7", sent, None):
        awaited.add(command("x", id_), [])
    found = awaited.answered_by(read_id(Raw(back)))
    assert found is not None
    assert found.id == read_id(Raw(sent))
    assert awaited.answered_by(read_id(Raw(back))) is None


@pytest.mark.parametrize(
    ("one", "two"), [(b"1", b"1.0"), (b"1", b"true"), (b"1", b'"1"')]
)
def test_ids_of_other_types_are_other_ids(one: bytes, two: bytes) -> None:
    assert read_id(Raw(one)) != read_id(Raw(two))


def test_a_reply_without_an_id_answers_the_command_whose_turn_it_is() -> None:
    awaited = AwaitedReplies()
    awaited.add(command("a", b"1"), [])
    awaited.add(command("b", b"2"), [])
    found = awaited.answered_by(UNSET)
    assert found is not None
    assert found.name == "a"
    assert awaited.first is not None
    assert awaited.first.name == "b"


@pytest.mark.slow
def test_so_many_are_awaited_and_the_others_passed_over() -> None:
    awaited = AwaitedReplies()
    for number in range(MAX_AWAITED + 1):
        awaited.add(command("x", b"%d" % number), [])
    assert awaited.answered_by(read_id(Raw(b"%d" % MAX_AWAITED))) is None
    assert awaited.answered_by(read_id(Raw(b"%d" % (MAX_AWAITED - 1)))) is not None
