"""The core without I/O: ids, waiting calls, late replies, what is no JSON."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from qmpx.client.arguments import encode_arguments, merge
from qmpx.client.core import MAX_IN_FLIGHT, MAX_NAMES, Call, ClientCore, closed_by_peer
from qmpx.client.events import RECONNECTED, EventBuffer
from qmpx.client.replies import read_raw, read_value
from qmpx.client.verbs import EXEC_OOB, EXECUTE_ASYNC, require_verb
from qmpx.errors import (
    CommandError,
    ConnectionLost,
    LocalProtocolError,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.wire.messages import Greeting
from tests.client.conftest import event, greeting, spelled


def core_with(*calls: Call) -> ClientCore:
    """Return a core whose first ids belong to *calls*."""
    core = ClientCore()
    for call in calls:
        core.issue(call, "x")
    return core


def outcome(call: Call) -> Any:
    """Return what became of a call."""
    if call.error is not None:
        return call.error
    return None if call.message is None else read_value(call.message, "x")


def test_commands_are_spelled_with_ids_that_are_never_used_twice() -> None:
    core = ClientCore()
    sent = [
        core.issue(Call(), "a"),
        core.issue(Call(), "b", {"c": [1, None]}),
        core.issue(Call(), 'quo"te', verb=EXEC_OOB),
        core.issue_many(Call(), ["d", ("e", {"f": 1}), ("g", None)]),
    ]
    assert sent == [
        b'{"execute":"a","id":1}\n',
        b'{"execute":"b","arguments":{"c":[1,null]},"id":2}\n',
        b'{"exec-oob":"quo\\"te","id":3}\n',
        (
            b'{"execute":"d","id":4}\n'
            b'{"execute":"e","arguments":{"f":1},"id":5}\n'
            b'{"execute":"g","id":6}\n'
        ),
    ]
    core.restart()
    assert core.issue(Call(), "a") == b'{"execute":"a","id":7}\n'


def test_names_are_kept_encoded_but_not_without_limit() -> None:
    core = ClientCore()
    for n in range(MAX_NAMES + 10):
        core.issue(Call(), f"command-{n}")
    assert len(core._names) == MAX_NAMES  # noqa: SLF001 - no other way to see it
    last = json.loads(core.issue(Call(), f"command-{MAX_NAMES + 9}"))
    assert last["execute"] == f"command-{MAX_NAMES + 9}"


def test_replies_resolve_their_calls() -> None:
    first, second = Call(), Call()
    core = core_with(first, second)
    core.feed(spelled({"return": "second", "id": 2}))
    assert (outcome(first), outcome(second)) == (None, "second")
    core.feed(spelled({"return": "first", "id": 1}))
    assert outcome(first) == "first"
    assert core.pending == {}


def test_a_second_reply_to_a_call_is_dropped() -> None:
    call = Call()
    core = core_with(call)
    core.feed(spelled({"return": 1, "id": 1}) + spelled({"return": 2, "id": 1}))
    assert outcome(call) == 1
    assert core.late_replies == 1


def test_an_abandoned_call_is_known_until_its_reply_comes() -> None:
    first, second = Call(), Call()
    core = core_with(first, second)
    core.abandon(1)
    core.abandon(99)
    core.feed(spelled({"return": "late"}) + spelled({"return": "in time"}))
    assert (outcome(first), outcome(second)) == (None, "in time")
    assert (core.late_replies, core.pending) == (1, {})


def test_a_withdrawn_call_is_forgotten() -> None:
    first, second = Call(), Call()
    core = core_with(first, second)
    core.withdraw(1)
    core.withdraw(1, 1)
    core.feed(spelled({"return": "in time"}))
    assert (outcome(first), outcome(second)) == (None, "in time")


def test_calls_without_a_reply_are_bounded_those_given_up_included() -> None:
    core = ClientCore()
    core.issue_many(Call(), ["x"] * (MAX_IN_FLIGHT - 1))
    core.issue(Call(), "x")
    core.abandon(1, MAX_IN_FLIGHT)
    with pytest.raises(LocalProtocolError, match=rf"^{MAX_IN_FLIGHT} calls wait"):
        core.issue(Call(), "x")
    core.feed(spelled({"return": 1, "id": 7}))
    core.issue(Call(), "x")
    assert len(core.pending) == MAX_IN_FLIGHT


@pytest.mark.parametrize(
    "bad", [("x", {"a": object()}), ("x", [1]), 5, None, ("x",), ("x", {"a": math.nan})]
)
def test_a_batch_of_which_one_is_bad_is_not_issued_at_all(bad: Any) -> None:
    core = ClientCore()
    with pytest.raises((QmpxError, TypeError, IndexError)):
        core.issue_many(Call(), ["a", bad, "b"])
    assert core.pending == {}
    assert core.issue(Call(), "a") == b'{"execute":"a","id":1}\n'


def test_the_end_fails_every_call_that_waits_once() -> None:
    first, second = Call(), Call()
    core = core_with(first, second)
    error = ConnectionLost("gone")
    core.lose(error)
    core.lose(ConnectionLost("again"))
    assert outcome(first) is outcome(second) is core.failure is error
    with pytest.raises(ConnectionLost, match=r"^gone$"):
        core.issue(Call(), "x")
    with pytest.raises(ConnectionLost, match=r"^gone$"):
        core.issue_many(Call(), ["x"])


@pytest.mark.parametrize("reconnects", [False, True])
def test_subscribers_learn_of_the_end_unless_another_conversation_follows(
    reconnects: bool,
) -> None:
    core = ClientCore(reconnects=reconnects)
    buffer = EventBuffer(())
    core.buffers.append(buffer)
    core.lose(ConnectionLost("gone"))
    assert (buffer.failure is None) == reconnects
    core.restart()
    with pytest.raises(RemoteProtocolError):
        core.feed(b"garbage\n")
    assert (buffer.failure is None) == reconnects
    core.restart()
    core.lose(ConnectionLost("closed"), for_good=True)
    assert buffer.failure is not None


def test_garbage_is_the_end() -> None:
    call = Call()
    core = core_with(call)
    with pytest.raises(RemoteProtocolError):
        core.feed(b"garbage\n")
    assert isinstance(outcome(call), RemoteProtocolError)
    assert core.failure is outcome(call)


def test_the_greeting_may_come_after_events_and_negotiation_needs_it() -> None:
    core = ClientCore()
    with pytest.raises(
        RemoteProtocolError, match=r"^the server's first message was no greeting$"
    ):
        core.negotiation(Call(), ["oob"])
    core.feed(spelled(event("EARLY")) + spelled(greeting("oob", "x")))
    assert core.greeting is not None
    assert core.negotiation(Call(), ["y", "oob"]) == (
        b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":1}\n'
    )
    core.restart()
    assert core.greeting is None


def test_subscribers_are_told_of_a_new_connection_whatever_their_patterns() -> None:
    core = ClientCore(reconnects=True)
    buffers = [EventBuffer(()), EventBuffer(("STOP",))]
    core.buffers += buffers
    for n in range(3):
        core.restart()
        core.feed(spelled(greeting()))
        core.negotiation(Call(), [])
        negotiated = {"return": {}, "id": core.last_id}
        core.feed(spelled(negotiated) + spelled(event("STOP")))
        names = [RECONNECTED, "STOP"] if n else ["STOP"]
        for buffer in buffers:
            got = [buffer.take() for _ in names]
            assert [e.name for e in got if e] == names
            assert [e.synthetic for e in got if e] == [x != "STOP" for x in names]


def test_a_refused_negotiation_is_no_new_connection() -> None:
    core = ClientCore(reconnects=True)
    buffer = EventBuffer(())
    core.buffers.append(buffer)
    for _ in range(2):
        core.restart()
        core.feed(spelled(greeting()))
        call = Call()
        core.negotiation(call, [])
        core.feed(spelled({"error": {}, "id": core.last_id}))
        assert call.is_done
    assert buffer.take() is None


def test_a_full_subscription_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    core = ClientCore()
    core.buffers.append(EventBuffer((), 1))
    core.feed(b"".join(spelled(event("STOP")) for _ in range(5)))
    messages = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert messages == ["a subscription is full: events are dropped"]


# What JSON can hold.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, b"{}"),
        ({"a": None}, b'{"a":null}'),
        ({"a": "null"}, b'{"a":"null"}'),
        ({"a": 1.5, "b": [True, -1, 2**64 - 1]}, None),
        ({"a": "ä😀\u2028\x00"}, None),
        (OrderedDict(a=(1, 2)), b'{"a":[1,2]}'),
        ({"null": 1.0}, b'{"null":1.0}'),
    ],
)
def test_arguments_become_json(value: Any, text: bytes | None) -> None:
    encoded = encode_arguments(value)
    assert text is None or encoded == text
    assert json.loads(encoded) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "value",
    [
        {"a": math.nan},
        {"a": {"b": [None, math.inf]}},
        {"a": ({"b": -math.inf},)},
        {"a": None, "b": math.nan},
        math.nan,
        {"a": ...},
        {"a": "\udc80"},
        {"\ud800": 1},
        {"a": 1j},
        {("a", "b"): 1},
    ],
    ids=repr,
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(LocalProtocolError, match=r"^JSON cannot hold "):
        encode_arguments(value)


def test_what_holds_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(LocalProtocolError, match=r"^JSON cannot hold "):
        encode_arguments(loop)


def test_any_mapping_is_as_good_as_a_dictionary() -> None:
    from collections import ChainMap, UserDict
    from types import MappingProxyType

    for mapping in (
        MappingProxyType({"a": 1}),
        UserDict(a=1),
        ChainMap({"a": 1}, {"a": 2}),
    ):
        core = ClientCore()
        assert core.issue(Call(), "x", mapping) == (
            b'{"execute":"x","arguments":{"a":1},"id":1}\n'
        )


def test_arguments_of_both_kinds_are_put_together() -> None:
    assert merge(None, {}) is None
    assert merge(None, {"a": 1}) == {"a": 1}
    given = {"a": 1, "b": 2}
    assert merge(given, {}) is given
    assert merge(given, {"b": 3}) == {"a": 1, "b": 3}
    assert given == {"a": 1, "b": 2}


# What replies say.


def reply_of(text: bytes) -> Any:
    """Return the reply in a text."""
    call = Call()
    core_with(call).feed(text)
    return call.message


def test_a_reply_is_read_or_handed_on_unread() -> None:
    message = reply_of(b'{"return": {"a": 1.0}, "id": 1}\n')
    assert read_value(message, "x") == {"a": 1.0}
    raw = read_raw(message, "x")
    assert msgspec.json.decode(raw, type=dict[str, float]) == {"a": 1.0}


@pytest.mark.parametrize("text", [b'"\xff"', b"1e400", b'{"\xc3": 1}', b'["\xed"]'])
def test_a_reply_that_cannot_be_read_is_the_peers_fault(text: bytes) -> None:
    message = reply_of(b'{"return": ' + text + b', "id": 1}\n')
    with pytest.raises(
        RemoteProtocolError, match=r"^the reply to 'x' cannot be read: "
    ):
        read_value(message, "x")


@pytest.mark.parametrize("read", [read_value, read_raw])
def test_an_error_reply_is_raised(read: Any) -> None:
    text = b'{"error": {"class": "A", "desc": "b", "data": [1]}, "id": 1}\n'
    with pytest.raises(CommandError) as caught:
        read(reply_of(text), "x")
    error = caught.value
    assert (error.error_class, error.desc, error.data, error.command) == (
        "A",
        "b",
        {},
        "x",
    )


@pytest.mark.parametrize(
    ("in_flight", "text"),
    [
        (0, "the peer closed the connection"),
        (1, "the peer closed the connection while 1 call waited"),
        (2, "the peer closed the connection while 2 calls waited"),
    ],
)
def test_the_end_is_told_with_what_it_cost(in_flight: int, text: str) -> None:
    assert str(closed_by_peer(in_flight)) == text


@pytest.mark.parametrize(
    ("verb", "offered", "enabled", "text"),
    [
        (EXEC_OOB, ["oob"], ["oob"], None),
        (EXEC_OOB, [], ["oob"], "it offers no capabilities"),
        (EXEC_OOB, ["a", "b"], ["oob"], "it offers a, b"),
        (EXEC_OOB, [1], ["oob"], "it offers 1"),
        (EXEC_OOB, ["oob"], [], "out-of-band execution was not enabled: add 'oob'"),
        (EXECUTE_ASYNC, ["oob", "async"], ["async"], None),
        (EXECUTE_ASYNC, ["oob"], ["async"], "does not offer asynchronous commands"),
        (EXECUTE_ASYNC, ["async"], ["oob"], "were not enabled: add 'async'"),
    ],
)
def test_a_way_to_run_commands_must_be_offered_and_enabled(
    verb: bytes, offered: list[Any], enabled: list[str], text: str | None
) -> None:
    greeting_ = Greeting(SimpleNamespace(), offered)
    if text is None:
        require_verb(verb, greeting_, enabled)
    else:
        with pytest.raises(LocalProtocolError, match=text):
            require_verb(verb, greeting_, enabled)
