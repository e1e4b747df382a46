"""Assertions on a conversation: what they let pass, and what they say otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.testing import Conversation
from qmpx.testing.matching import is_alike
from qmpx.transcript import Entry
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER


def said(*commands: tuple[str, dict[str, Any]]) -> Conversation:
    entries = []
    names = [("qmp_capabilities", {}), *commands]
    for number, (name, arguments) in enumerate(names):
        command = {"execute": name, "arguments": arguments, "id": number}
        entries.append(Entry(1.0, TO_SERVER, 1, command))
        if name != "hang":
            entries.append(Entry(1.0, TO_CLIENT, 1, {"return": name, "id": number}))
    entries.append(Entry(1.0, TO_CLIENT, 1, {"event": "STOP"}))
    return Conversation(lambda: entries)


TALK = said(("stop", {}), ("eject", {"device": "cd", "force": True}), ("cont", {}))


def test_it_knows_commands_answers_and_events() -> None:
    assert TALK.commands == ["stop", "eject", "cont"]
    assert TALK.events == ["STOP"]
    assert [exchange.returned for exchange in TALK.exchanges] == [
        "stop",
        "eject",
        "cont",
    ]
    assert TALK.exchanges[1].arguments == {"device": "cd", "force": True}
    assert TALK.exchanges[0].error is None


def test_what_is_so_passes() -> None:
    TALK.assert_commands("stop", "eject", "cont")
    TALK.assert_commands("stop", ("eject", {"device": ..., "force": True}), "cont")
    TALK.assert_order("stop", "cont")
    TALK.assert_order(("eject", {"device": "cd", "force": ...}))
    TALK.assert_order()
    TALK.assert_sent("stop", times=1)
    assert TALK.assert_sent("eject", {"device": "cd"}).returned == "eject"
    TALK.assert_not_sent("quit")
    TALK.assert_answered()


OTHER = """\
other commands were sent (- expected, + sent)
  stop
- eject {"device":"hd","force":true}
?                  ^
+ eject {"device":"cd","force":true}
?                  ^
- quit
  cont"""
NONE = """\
other commands were sent (- expected, + sent)
+ stop
+ eject {"device":"cd","force":true}
+ cont"""
ORDER = """\
not in this order: stop did not come after cont (- expected, + sent)
+ stop
+ eject {"device":"cd","force":true}
  cont
- stop"""
NOT_SENT = """\
eject {"device":"hd"} was not sent (- expected, + sent)
- eject {"device":"hd"}
+ eject {"device":"cd","force":true}"""
SENT = """\
cont was sent:
stop
eject {"device":"cd","force":true}
cont"""


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (
            "assert_commands",
            ("stop", ("eject", {"device": "hd", "force": True}), "quit", "cont"),
            OTHER,
        ),
        ("assert_commands", (), NONE),
        ("assert_order", ("cont", "stop"), ORDER),
        ("assert_sent", ("eject", {"device": "hd"}), NOT_SENT),
        ("assert_not_sent", ("cont",), SENT),
    ],
)
def test_what_is_not_so_is_shown(
    method: str, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(AssertionError) as raised:
        getattr(TALK, method)(*arguments)
    seen = [line.rstrip() for line in str(raised.value).splitlines()]
    assert [x for x in seen if x] == [x for x in message.splitlines() if x]


def test_how_often_counts_where_it_is_asked() -> None:
    with pytest.raises(AssertionError, match="stop was sent 1 times, not 2"):
        TALK.assert_sent("stop", times=2)


def test_a_command_without_an_answer_is_named() -> None:
    with pytest.raises(AssertionError, match="1 commands were not answered:\nhang"):
        said(("stop", {}), ("hang", {})).assert_answered()


def test_what_was_said_may_be_forgotten() -> None:
    talk = said(("stop", {}))
    talk.forget()
    talk.assert_commands()


@pytest.mark.parametrize(
    ("expected", "value", "passed_over", "result"),
    [
        ({"a": 1}, {"a": 1}, (), True),
        ({"a": 1}, {"a": 2}, (), False),
        ({"a": 1}, {"a": 1, "b": 2}, (), False),
        ({"a": 1}, {"a": 1, "b": 2}, ("b",), True),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, ("b",), True),
        ({"a": ...}, {"a": [1]}, (), True),
        ({"a": ...}, {}, (), False),
        ([1, {"x": ...}], [1, {"x": 2}], (), True),
        ([1], [1, 2], (), False),
        (True, 1, (), False),
        (1.0, 1, (), True),
        ("[redacted]", "x", (), True),
    ],
)
def test_values_are_alike(
    expected: Any, value: Any, passed_over: tuple[str, ...], *, result: bool
) -> None:
    assert is_alike(expected, value, passed_over) is result
