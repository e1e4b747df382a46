"""What a peer supports, by its own word."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from qmpx.errors import CommandNotFound, LocalProtocolError, RemoteProtocolError
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.vocabulary import Vocabulary, read_vocabulary
from tests.qapi.generated import schema_of, small_schema

HAS = Vocabulary(small_schema())


@pytest.mark.parametrize(
    ("command", "more", "answer"),
    [
        ("paint", {}, True),
        ("nope", {}, False),
        ("PAINTED", {}, False),
        ("paint", {"argument": "colour"}, True),
        ("paint", {"argument": "size"}, False),
        ("nope", {"argument": "colour"}, False),
        ("paint", {"argument": "colour", "value": "red"}, True),
        ("paint", {"argument": "colour", "value": "green"}, False),
        ("paint", {"argument": "node-name", "value": "red"}, False),
        ("paint", {"argument": "limit", "value": "red"}, False),
        # Branches of unions, alternates, lists, and all of them in a circle.
        ("shape-add", {"argument": "kind", "value": "dot"}, True),
        ("shape-add", {"argument": "radius"}, True),
        ("shape-add", {"argument": "shapes.radius"}, True),
        ("shape-add", {"argument": "shapes.shapes.shapes.label"}, True),
        ("shape-add", {"argument": "shapes.shapes.nope"}, False),
        ("shape-add", {"argument": "radius.x"}, False),
        # Features.
        ("shape-add", {"feature": "unstable"}, True),
        ("shape-add", {"feature": "deprecated"}, False),
        ("paint", {"argument": "colour", "feature": "unstable"}, False),
        (None, {"feature": "unstable"}, True),
        (None, {"feature": "deprecated"}, True),
        (None, {"feature": "dynamic-auto-read-only"}, False),
        # Events.
        (None, {"event": "PAINTED"}, True),
        (None, {"event": "paint"}, False),
        (None, {"event": "PAINTED", "argument": "colour", "value": "red"}, True),
        (None, {"event": "DRAWN", "argument": "radius"}, True),
        (None, {"event": "DONE", "argument": "x"}, False),
    ],
)
def test_what_is_there_is_supported(
    command: str | None, more: dict[str, str], *, answer: bool
) -> None:
    assert HAS.supports(command, **more) is answer


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [
        (None, {}, "ask for a command, an event or a feature"),
        (None, {"argument": "x"}, "ask for a command, an event or a feature"),
        (
            None,
            {"argument": "x", "feature": "y"},
            "ask for a command, an event or a feature",
        ),
        (
            "x",
            {"event": "Y"},
            "ask for a command or for an event, not for both at once",
        ),
        ("x", {"value": "y"}, "a value is one of an argument: say of which"),
    ],
)
def test_a_question_has_to_make_sense(
    command: str | None, more: dict[str, str], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        HAS.supports(command, **more)
    assert str(caught.value) == message


def ask(answers: dict[str, Any]) -> Vocabulary:
    """Let a peer with these commands, and what they return, be asked."""
    reading = read_vocabulary()
    name = next(reading)
    try:
        while True:
            if name in answers:
                name = reading.send(Raw(msgspec.json.encode(answers[name])))
            else:
                name = reading.throw(CommandNotFound(name=name))
    except StopIteration as answer:
        found: Vocabulary = answer.value
        return found


def test_a_peer_that_describes_itself_is_asked_once() -> None:
    has = ask({"query-qmp-schema": to_introspection(small_schema())})
    assert has.has_types
    assert has.supports("shape-add", argument="shapes.radius")
    assert set(has.described().commands) == set(small_schema().commands)


def test_of_another_peer_only_names_are_known() -> None:
    named = [{"name": "eject"}, {"name": "quit", "enabled": True}]
    for answers in (
        {"query-commands": named},
        {"query-commands": named, "query-events": [{"name": "STOP"}]},
    ):
        has = ask(answers)
        assert not has.has_types
        assert has.supports("eject")
        assert not has.supports("inject")
        assert has.supports(event="STOP") is ("query-events" in answers)
        message = "this peer tells names only: it has no 'query-qmp-schema'"
        for more in ({"argument": "device"}, {"feature": "deprecated"}):
            with pytest.raises(LocalProtocolError) as caught:
                has.supports("eject", **more)
            assert str(caught.value) == message
        with pytest.raises(LocalProtocolError, match="names only"):
            has.described()


def test_a_peer_that_has_none_of_these_cannot_be_asked() -> None:
    with pytest.raises(CommandNotFound):
        ask({})


@pytest.mark.parametrize(
    "answers",
    [
        {"query-qmp-schema": {}},
        {"query-qmp-schema": [{"name": "x"}]},
        {"query-commands": [1]},
        {"query-commands": [], "query-events": "x"},
    ],
)
def test_what_is_no_schema_is_the_peers_fault(answers: dict[str, Any]) -> None:
    message = "what the peer says of itself cannot be read: "
    with pytest.raises(RemoteProtocolError, match=message):
        ask(answers)


def test_an_alternate_may_hold_lists_of_itself() -> None:
    schema = schema_of(
        "{ 'enum': 'Em', 'data': [ 'a' ] }"
        "{ 'alternate': 'Alt', 'data': { 'e': 'Em', 'l': [ 'Alt' ] } }"
        "{ 'command': 'x', 'data': { 'a': 'Alt' } }"
    )
    assert Vocabulary(schema).supports("x", argument="a", value="a")
    assert not Vocabulary(schema).supports("x", argument="a", value="b")
    assert not Vocabulary(schema).supports("x", argument="a.b")
