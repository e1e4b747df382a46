"""What may be said when, and how replies are spelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import (
    CommandError,
    CommandNotFound,
    GenericError,
    JSONParsing,
    NegotiationError,
    QMPBadInputObject,
    QMPBadInputObjectMember,
    QMPExtraInputObjectMember,
)
from qmpx.wire import Command, Limits, Malformed, Parsed, Phase, Refused, ServerSession
from qmpx.wire.rules_2010 import RULES_2010
from qmpx.wire.server import (
    MODERN_RULES,
    RETURN,
    Rules,
    end_of_reply,
    event,
    failure,
)
from tests.wire.streams import Admitted, Outcome, Refusal, admit, cuttings, read

if TYPE_CHECKING:
    from qmpx.wire.framing import Item

EARLY = "Expecting capabilities negotiation with 'qmp_capabilities'"
AGAIN = "Capabilities negotiation is already complete, command ignored"


def conversation(data: bytes, *, rules: Rules = MODERN_RULES) -> list[Outcome]:
    """Return what becomes of a stream that negotiates for itself, if it does."""
    session = ServerSession(rules=rules)
    outcomes = []
    for item in read(session.reader, [data]):
        outcomes += admit(session, [item])
        outcome = outcomes[-1]
        if isinstance(outcome, Admitted) and outcome.name == "qmp_capabilities":
            enable = json.loads(outcome.arguments or b"{}").get("enable", [])
            try:
                session.negotiate(enable)
            except CommandError as error:
                outcomes[-1] = Refusal(error.desc, outcome.id)
    return outcomes


NEGOTIATE = b'{"execute": "qmp_capabilities"}'
OOB = b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}'
DONE = Admitted("qmp_capabilities")
OOB_DONE = Admitted("qmp_capabilities", None, b'{"enable": ["oob"]}')


@pytest.mark.parametrize(
    ("data", "outcomes"),
    [
        # Before negotiation a well-formed command is refused, whatever its name is.
        (b'{"execute": "x"}', [Refusal(EARLY)]),
        (b'{"execute": "x", "id": 1}', [Refusal(EARLY, b"1")]),
        (b'{"execute": "x", "arguments": {}, "id": null}', [Refusal(EARLY, b"null")]),
        (b'{"execute": ""}', [Refusal(EARLY)]),
        (b'{"execute": "QMP_CAPABILITIES"}', [Refusal(EARLY)]),
        # Ill-formed ones are told so first.
        (b"{}", [Refusal("QMP input lacks member 'execute'")]),
        (b"[]", [Refusal("QMP input must be a JSON object")]),
        (b'{"execute": 1, "id": 1}', [
            Refusal("QMP input member 'execute' must be a string", b"1"),
        ]),
        (b'{"execute": "x", "arguments": null, "id": 1}', [
            Refusal("QMP input member 'arguments' must be an object", b"1"),
        ]),
        (b'{"execute": "x", "more": 1, "id": 1}', [
            Refusal("QMP input member 'more' is unexpected", b"1"),
        ]),
        (b'{"exec-oob": "x", "id": 1}', [
            Refusal("QMP input member 'exec-oob' is unexpected", b"1"),
        ]),
        (b"{]", [Refusal("JSON parse error, expecting value")]),
        # Afterwards commands are let through, and the second negotiation is not.
        (NEGOTIATE + b'{"execute": "x", "id": 1}', [DONE, Admitted("x", b"1")]),
        (b'{"execute": "x"}' + NEGOTIATE + b'{"execute": "x"}', [
            Refusal(EARLY),
            DONE,
            Admitted("x"),
        ]),
        (NEGOTIATE + b'{"execute": "qmp_capabilities", "id": 2}', [
            DONE,
            Refusal(AGAIN, b"2"),
        ]),
        # A failed negotiation can be repeated, and leaves nothing behind.
        (
            b'{"execute":"qmp_capabilities","arguments":{"enable":["oob","x"]},"id":1}'
            b'{"execute":"x"}' + NEGOTIATE + b'{"exec-oob":"x"}',
            [
                Refusal("Parameter 'null' does not accept value 'x'", b"1"),
                Refusal(EARLY),
                DONE,
                Refusal("QMP input member 'exec-oob' is unexpected"),
            ],
        ),
        # The arguments of the second are looked at before it is refused.
        (
            NEGOTIATE
            + b'{"execute":"qmp_capabilities","arguments":{"enable":["x"]}}',
            [DONE, Refusal("Parameter 'null' does not accept value 'x'")],
        ),
        # With oob.
        (OOB + b'{"exec-oob": "x", "id": 1}', [
            OOB_DONE,
            Admitted("x", b"1", out_of_band=True),
        ]),
        (OOB + b'{"exec-oob": "x", "arguments": {"a": 1}}', [
            OOB_DONE,
            Admitted("x", None, b'{"a": 1}', out_of_band=True),
        ]),
        (OOB + b'{"execute": "x"}', [OOB_DONE, Admitted("x")]),
        (OOB + b'{"exec-oob": 1, "id": 1}', [
            OOB_DONE,
            Refusal("QMP input member 'exec-oob' must be a string", b"1"),
        ]),
        (OOB + b'{"exec-oob": null}', [
            OOB_DONE,
            Refusal("QMP input member 'exec-oob' must be a string"),
        ]),
        (OOB + b'{"exec-oob": "x", "execute": "x", "id": 1}', [
            OOB_DONE,
            Refusal("QMP input member 'execute' clashes with 'exec-oob'", b"1"),
        ]),
        (OOB + b'{"exec-oob": "x", "arguments": []}', [
            OOB_DONE,
            Refusal("QMP input member 'arguments' must be an object"),
        ]),
        (OOB + b'{"id": 1}', [
            OOB_DONE,
            Refusal("QMP input lacks member 'execute'", b"1"),
        ]),
        (OOB + OOB, [OOB_DONE, Refusal(AGAIN)]),
    ],
)  # fmt: skip
def test_who_may_say_what_when(data: bytes, outcomes: list[Outcome]) -> None:
    assert conversation(data) == outcomes
    # And on the faithful path, which a single quote makes sure of.
    assert conversation(data.replace(b'"', b"'")) == outcomes


@pytest.mark.parametrize(
    ("data", "outcomes"),
    [
        (b'{"execute": "x", "id": 1}', [
            Refusal("The command x has not been found", b"1"),
        ]),
        (b'{"execute": 1, "id": 1}', [
            Refusal("QMP input member 'execute' must be a string"),
        ]),
        (b'{"exec-oob": "x", "id": 1}', [
            Refusal("QMP input member 'exec-oob' is unexpected"),
        ]),
        (b'{"id": 1}', [Refusal("QMP input lacks member 'execute'")]),
        (NEGOTIATE + b'{"execute": "qmp_capabilities", "id": 2}', [
            DONE,
            Refusal("The command qmp_capabilities has not been found", b"2"),
        ]),
    ],
)  # fmt: skip
def test_in_2010_faults_have_no_id_and_texts_were_others(
    data: bytes, outcomes: list[Outcome]
) -> None:
    assert conversation(data, rules=RULES_2010) == outcomes


@pytest.mark.parametrize(
    ("item", "error_class", "data"),
    [
        (Malformed("JSON parse error, x"), JSONParsing, {}),
        (Parsed([]), QMPBadInputObject, {"expected": "object"}),
        (Parsed({}), QMPBadInputObject, {"expected": "execute"}),
        (
            Parsed({"execute": 1}),
            QMPBadInputObjectMember,
            {"member": "execute", "expected": "string"},
        ),
        (
            Parsed({"execute": "x", "arguments": 1}),
            QMPBadInputObjectMember,
            {"member": "arguments", "expected": "object"},
        ),
        (
            Command(execute="x", arguments=Raw(b"[1]")),
            QMPBadInputObjectMember,
            {"member": "arguments", "expected": "object"},
        ),
        (Parsed({"x": 1}), QMPExtraInputObjectMember, {"member": "x"}),
        (Command(exec_oob="x"), QMPExtraInputObjectMember, {"member": "exec-oob"}),
        (Command(execute="x"), NegotiationError, {}),
    ],
)
def test_a_refusal_is_an_error_of_the_catalogue(
    item: Item, error_class: type[CommandError], data: dict[str, str]
) -> None:
    refused = ServerSession().admit(item)
    assert isinstance(refused, Refused)
    assert (type(refused.error), refused.error.data) == (error_class, data)


def test_in_2010_an_early_command_was_one_that_is_not_there() -> None:
    refused = ServerSession(rules=RULES_2010).admit(Command(execute="x"))
    assert isinstance(refused, Refused)
    assert type(refused.error) is CommandNotFound
    assert refused.error.data == {"name": "x"}


# Negotiation.


def test_a_session_begins_with_nothing_enabled() -> None:
    session = ServerSession()
    assert (session.phase, session.enabled) == (Phase.NEGOTIATING, frozenset())


@pytest.mark.parametrize("enable", [[], ["oob"], ["oob", "oob"]])
def test_negotiation_enables_what_is_asked_for(enable: list[str]) -> None:
    session = ServerSession()
    session.negotiate(enable)
    assert (session.phase, session.enabled) == (Phase.READY, frozenset(enable))


@pytest.mark.parametrize(
    ("offered", "enable", "name"),
    [
        (("oob",), ["x"], "x"),
        (("oob",), ["oob", "OOB"], "OOB"),
        ((), ["oob"], "oob"),
    ],
)
@pytest.mark.parametrize("is_again", [False, True])
def test_what_is_not_offered_cannot_be_enabled(
    offered: tuple[str, ...], enable: list[str], name: str, is_again: bool
) -> None:
    session = ServerSession(offered)
    if is_again:
        session.negotiate([])
    with pytest.raises(GenericError) as caught:
        session.negotiate(enable)
    assert caught.value.desc == f"Parameter 'null' does not accept value '{name}'"
    assert session.enabled == frozenset()
    assert session.phase is (Phase.READY if is_again else Phase.NEGOTIATING)


def test_a_second_negotiation_changes_nothing() -> None:
    session = ServerSession()
    session.negotiate([])
    with pytest.raises(NegotiationError) as caught:
        session.negotiate(["oob"])
    assert caught.value.desc == AGAIN
    assert session.enabled == frozenset()


# Out of band.


@pytest.mark.parametrize(
    ("data", "overtakes"),
    [
        (b'{"exec-oob": "x"}', True),
        (b'{"exec-oob": "x", "arguments": 1}', True),
        (b"{'exec-oob': 'x'}", True),
        (b"{'exec-oob': 1, 'more': 2}", True),
        (b'{"execute": "x"}', False),
        (b'{"execute": "x", "exec-oob": "x"}', False),
        (b"{'execute': 1, 'exec-oob': 'x'}", False),
        (b"{}", False),
        (b"[]", False),
        (b'["exec-oob"]', False),
        (b'"exec-oob"', False),
        (b"{]", False),
        (b"\xff", False),
    ],
)
def test_what_may_overtake(data: bytes, overtakes: bool) -> None:
    session = ServerSession()
    session.negotiate(["oob"])
    assert [session.is_out_of_band(item) for item in read(session.reader, [data])] == [
        overtakes
    ]
    session = ServerSession()
    session.negotiate([])
    assert [session.is_out_of_band(item) for item in read(session.reader, [data])] == [
        False
    ]


# What is sent.


def test_the_greeting_is_one_line_of_ascii() -> None:
    version = {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Débian"}
    assert ServerSession().greeting(version) == (
        b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, '
        b'"package": "D\\u00E9bian"}, "capabilities": ["oob"]}}\r\n'
    )
    assert ServerSession(()).greeting({}) == (
        b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
    )


@pytest.mark.parametrize(
    ("id_", "success", "refusal"),
    [
        (UNSET, b'{"return": {}}\r\n', b'{"error": {}}\r\n'),
        (Raw(b"1"), b'{"return": {}, "id": 1}\r\n', b'{"id": 1, "error": {}}\r\n'),
        (
            Raw(b"null"),
            b'{"return": {}, "id": null}\r\n',
            b'{"id": null, "error": {}}\r\n',
        ),
        (
            Raw(b'"a"'),
            b'{"return": {}, "id": "a"}\r\n',
            b'{"id": "a", "error": {}}\r\n',
        ),
        (
            Raw(b'[1.0,{"a":-0}]'),
            b'{"return": {}, "id": [1, {"a": 0}]}\r\n',
            b'{"id": [1, {"a": 0}], "error": {}}\r\n',
        ),
    ],
)
def test_a_reply_bears_the_id_of_its_command(
    id_: Raw | UnsetType, success: bytes, refusal: bytes
) -> None:
    assert RETURN + b"{}" + end_of_reply(id_) == success
    assert failure(id_, b"{}") == refusal


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("STOP", None, 1_281_312_000_000_001),
            (b'{"timestamp": {"seconds": 1281312000, "microseconds": 1}, '
            b'"event": "STOP"}\r\n'),
        ),
        (
            ("RESET", b'{"guest": false}', 999_999),
            (b'{"timestamp": {"seconds": 0, "microseconds": 999999}, '
            b'"event": "RESET", "data": {"guest": false}}\r\n'),
        ),
        (
            ('É"', b"{}", 1_000_000),
            (b'{"timestamp": {"seconds": 1, "microseconds": 0}, '
            b'"event": "\\u00C9\\"", "data": {}}\r\n'),
        ),
    ],
)  # fmt: skip
def test_an_event_tells_when_it_happened(arguments: Any, line: bytes) -> None:
    assert event(*arguments) == line


def test_the_limits_of_a_session_are_those_of_its_reader() -> None:
    session = ServerSession(limits=Limits(nesting=1))
    items = read(session.reader, [b"[[]]"])
    assert items[0] == Malformed("JSON nesting depth limit exceeded")


def test_a_whole_conversation_is_the_same_however_it_is_cut() -> None:
    data = OOB + b'{"exec-oob": "x", "id": 1}{]\xff{"execute": "y"}\n{"id": "\\u00e9"}'
    for chunks in cuttings(data):
        session = ServerSession()
        items = read(session.reader, chunks)
        first = session.admit(items[0])
        assert isinstance(first, Command)
        session.negotiate(["oob"])
        assert admit(session, items[1:]) == [
            Admitted("x", b"1", out_of_band=True),
            Refusal("JSON parse error, expecting value"),
            Refusal("JSON parse error, stray '\ufffd'"),
            Admitted("y"),
            Refusal("QMP input lacks member 'execute'", b'"\\u00E9"'),
        ]
