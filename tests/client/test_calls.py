"""Typed calls and events, and what a peer supports: one test for both clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.client import RECONNECTED, Reconnected
from qmpx.qapi.introspection.telling import to_introspection
from tests.client.conftest import SECONDS, Conversation, event, reply
from tests.qapi.generated import small, small_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.conftest import ByHand, Face

    Serve = Callable[..., ByHand]

S: Any = small()


def answering(answers: dict[str, Any]) -> Callable[[Conversation], None]:
    """Return a script that answers some commands, and knows no others."""

    def script(peer: Conversation) -> None:
        peer.negotiate("oob")
        while line := peer.lines.readline():
            command = json.loads(line)
            name = command.get("execute", command.get("exec-oob"))
            if name in answers:
                answer = answers[name]
                value = answer(command) if callable(answer) else answer
                peer.send(reply(command, value))
            else:
                desc = f"The command {name} has not been found"
                error = {"class": "CommandNotFound", "desc": desc}
                peer.send({"error": error, "id": command["id"]})

    return script


def test_a_call_returns_what_its_type_declares(
    face: Face, path: str, by_hand: Serve
) -> None:
    sent: list[Any] = []

    def paint(command: Any) -> Any:
        sent.append(command)
        return {}

    by_hand(
        answering(
            {
                "paint": paint,
                "query-point": {"x": 1, "node-name": "n", "brand-new": True},
                "query-shapes": [{"kind": "circle", "radius": 2}, {"kind": "cube"}],
                "query-number": 7,
            }
        )
    )
    vm = face.connect(path)
    assert vm.run(S.paint(node_name="n", colour=S.Colour.RED)) is None
    assert sent == [
        {
            "execute": "paint",
            "arguments": {"node-name": "n", "colour": "red"},
            "id": sent[0]["id"],
        }
    ]
    point = vm.run(S.query_point())
    assert isinstance(point, S.Named)
    assert (point.node_name, point.brand_new) == ("n", True)
    circle, cube = vm.run(S.query_shapes())
    assert circle == S.Shape_circle(radius=2)
    assert isinstance(cube, S.Shape_unknown)
    assert vm.run(S.query_number()) == 7


def test_arguments_may_be_a_union(face: Face, path: str, by_hand: Serve) -> None:
    by_hand(answering({"shape-add": lambda command: command["arguments"]}))
    vm = face.connect(path)
    shape = S.Shape_group(shapes=["a", S.Shape_dot()], label="l")
    assert vm.run(S.shape_add(shape)) is None
    assert vm.execute("shape-add", shape) == {
        "kind": "group",
        "label": "l",
        "shapes": ["a", {"kind": "dot"}],
    }
    with pytest.raises(qmpx.LocalProtocolError, match="there can be no more"):
        vm.execute("shape-add", shape, label="x")
    with pytest.raises(qmpx.LocalProtocolError, match="cannot hold an infinity"):
        vm.run(S.shape_add(S.Shape_group(shapes=[float("inf")])))


def test_what_a_newer_peer_gave_goes_back_as_it_came(
    face: Face, path: str, by_hand: Serve
) -> None:
    shapes = [{"kind": "cube", "edge": 3}, {"kind": "circle", "radius": 1, "z": [2]}]
    got: list[Any] = []

    def add(command: Any) -> Any:
        got.append(command["arguments"])
        return {}

    by_hand(answering({"query-shapes": shapes, "shape-add": add}))
    vm = face.connect(path)
    for shape in vm.run(S.query_shapes()):
        vm.run(S.shape_add(shape))
    assert got == shapes


def test_a_call_fails_as_a_command_does(face: Face, path: str, by_hand: Serve) -> None:
    def answer_not(peer: Conversation) -> None:
        peer.negotiate()
        peer.rest()

    by_hand(answering({"query-point": [], "query-number": "x"}), answer_not)
    vm = face.connect(path)
    with pytest.raises(qmpx.CommandError) as refused:
        vm.run(S.paint(node_name="n"))
    assert (refused.value.error_class, refused.value.command) == (
        "CommandNotFound",
        "paint",
    )
    with pytest.raises(qmpx.RemoteProtocolError) as odd:
        vm.run(S.query_point())
    assert str(odd.value) == (
        "the reply to 'query-point' is not as its type declares: "
        "expected: object; got: array"
    )
    # It stays in step.
    with pytest.raises(qmpx.RemoteProtocolError, match="expected: integer; got: str"):
        vm.run(S.query_number())
    vm.close()
    vm = face.connect(path)
    with pytest.raises(qmpx.DeadlineExceeded, match="query-number"):
        vm.run(S.query_number(), timeout=0.05)


def test_a_call_may_run_out_of_band(face: Face, path: str, by_hand: Serve) -> None:
    verbs: list[str] = []

    def number(command: Any) -> Any:
        verbs.extend(command.keys() - {"id"})
        return 1

    by_hand(answering({"query-number": number}))
    vm = face.connect(path)
    assert vm.run(S.query_number(), out_of_band=True) == 1
    assert vm.run(S.query_number()) == 1
    assert verbs == ["exec-oob", "execute"]


def test_events_come_as_their_types(face: Face, path: str, by_hand: Serve) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.answer()
        peer.send(
            event("OTHER"),
            event("PAINTED", {"node-name": "n", "colour": "pale", "x": 1}),
            event("DONE"),
            event("DRAWN", {"kind": "circle", "radius": 1}, seconds=7),
        )
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    both = vm.events(S.Painted, S.Drawn)
    plain = vm.events("PAINTED", "DONE")
    vm.execute("go")
    painted = both.get(timeout=SECONDS)
    assert isinstance(painted, S.Painted)
    assert (painted.node_name, painted.colour, painted.x) == ("n", "pale", 1)
    assert painted.timestamp == 1.5
    drawn = next(both)
    assert isinstance(drawn, S.Drawn)
    assert (drawn.kind, drawn.radius, drawn.timestamp) == (S.Kind.CIRCLE, 1, 7.5)
    assert [plain.get(timeout=SECONDS).name for _ in range(2)] == ["PAINTED", "DONE"]
    both.close()
    assert list(both) == []


def test_an_event_of_another_kind_than_declared_is_an_error_and_passes(
    face: Face, path: str, by_hand: Serve
) -> None:
    def script(peer: Conversation) -> None:
        peer.negotiate()
        peer.answer()
        peer.send(event("POINT", {"x": "one"}), event("POINT", {"x": 2}))
        peer.serve()

    by_hand(script)
    vm = face.connect(path)
    points = vm.events(S.Point)
    vm.execute("go")
    with pytest.raises(qmpx.RemoteProtocolError) as caught:
        points.get(timeout=SECONDS)
    assert str(caught.value) == (
        "the event POINT is not as its type declares: expected: integer; got: string"
    )
    assert points.get(timeout=SECONDS).x == 2


def test_only_events_can_be_subscribed_to(
    face: Face, path: str, by_hand: Serve
) -> None:
    by_hand(answering({}))
    vm = face.connect(path)
    for wrong in ([S.Named], [S.Painted, "DONE"], [7]):
        with pytest.raises(TypeError, match="is no event: subscribe to types of"):
            vm.events(*wrong)


def test_a_new_connection_is_told_to_those_who_ask_for_that_type(
    face: Face, path: str, by_hand: Serve
) -> None:
    def first(peer: Conversation) -> None:
        peer.negotiate()
        peer.answer()
        peer.close()

    def second(peer: Conversation) -> None:
        peer.negotiate()
        peer.answer()
        peer.send(event("DONE"))
        peer.serve()

    by_hand(first, second)
    vm = face.connect(path, reconnect=True)
    asks, asks_not = vm.events(S.Done, Reconnected), vm.events(S.Done)
    assert Reconnected.event_name == RECONNECTED
    vm.execute("go")
    while True:
        try:
            vm.execute("go")
            break
        except qmpx.ConnectionLost:
            continue
    assert isinstance(asks.get(timeout=SECONDS), Reconnected)
    assert isinstance(asks.get(timeout=SECONDS), S.Done)
    assert isinstance(asks_not.get(timeout=SECONDS), S.Done)


# What the peer supports.

INTROSPECTION = to_introspection(small_schema())


def test_a_peer_is_asked_once_for_each_connection(
    face: Face, path: str, by_hand: Serve
) -> None:
    asked: list[Any] = []

    def schema(command: Any) -> Any:
        asked.append(command)
        return INTROSPECTION

    def first(peer: Conversation) -> None:
        peer.negotiate()
        for _ in range(2):
            command = peer.read()
            known = command["execute"] == "query-qmp-schema"
            peer.send(reply(command, schema(command) if known else None))
        peer.close()

    by_hand(first, answering({"query-qmp-schema": schema, "go": {}}))
    vm = face.connect(path, reconnect=True)
    assert vm.supports("paint", argument="colour", value="red")
    assert not vm.supports("paint", argument="nope")
    assert vm.supports(event="DONE")
    assert vm.supports(feature="unstable")
    assert "paint" in vm.schema().commands
    assert len(asked) == 1
    vm.execute("go")
    while True:
        try:
            vm.execute("go")
            break
        except qmpx.ConnectionLost:
            continue
    assert vm.supports("paint")
    assert len(asked) == 2


def test_a_peer_without_a_schema_tells_names(
    face: Face, path: str, by_hand: Serve
) -> None:
    by_hand(answering({"query-commands": [{"name": "eject"}]}))
    vm = face.connect(path)
    assert vm.supports("eject")
    assert not vm.supports(event="STOP")
    with pytest.raises(qmpx.LocalProtocolError, match="tells names only"):
        vm.supports("eject", argument="device")
    with pytest.raises(qmpx.LocalProtocolError, match="tells names only"):
        vm.schema()


def test_a_peer_that_tells_nothing_cannot_be_asked(
    face: Face, path: str, by_hand: Serve
) -> None:
    by_hand(answering({"query-events": []}), answering({"query-commands": []}))
    vm = face.connect(path)
    with pytest.raises(qmpx.CommandError) as caught:
        vm.supports("eject")
    assert caught.value.command == "query-commands"
    vm.close()
    vm = face.connect(path)
    with pytest.raises(TypeError, match="ask for a command, an event or a feature"):
        vm.supports(argument="x")
