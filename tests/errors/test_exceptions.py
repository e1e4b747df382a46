"""The tree of exceptions: whose fault, which text, which exit status."""

from __future__ import annotations

import copy
import pickle

import pytest

import qmpx.errors
from qmpx.errors import (
    AddressError,
    CommandError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    EventsLost,
    GenericError,
    GreetingTimeout,
    LaunchError,
    LocalProtocolError,
    OperationFailed,
    QmpxError,
    RemoteProtocolError,
    SchemaError,
)

HINT = "qmp.sock: is QEMU running?"

# Each exception: what it is made of, what it is besides, its text, its exit status.
ROWS: list[tuple[QmpxError, type[BaseException], str, int]] = [
    (QmpxError("text"), Exception, "text", 1),
    (AddressError("no address"), ValueError, "no address", 2),
    (LocalProtocolError("not now"), QmpxError, "not now", 2),
    (RemoteProtocolError("no JSON"), QmpxError, "no JSON", 6),
    (
        ConnectError("unix:q", "no such file"),
        QmpxError,
        "cannot talk to unix:q: no such file",
        3,
    ),
    (
        ConnectError("unix:q", "no such file", HINT),
        QmpxError,
        f"cannot talk to unix:q: no such file\n{HINT}",
        3,
    ),
    (
        GreetingTimeout("tcp:h:1", "no greeting", "wait"),
        ConnectError,
        "cannot talk to tcp:h:1: no greeting\nwait",
        3,
    ),
    (ConnectionLost("the peer has gone"), QmpxError, "the peer has gone", 6),
    (
        DeadlineExceeded("stop", 2.5),
        TimeoutError,
        "no reply to 'stop' within 2.5 s",
        4,
    ),
    (DeadlineExceeded("stop", 30.0), QmpxError, "no reply to 'stop' within 30 s", 4),
    (DeadlineExceeded("", 0.5, "event"), QmpxError, "no event within 0.5 s", 4),
    (
        EventsLost(3),
        QmpxError,
        (
            "3 events were dropped because this subscription's buffer was full: "
            "read it faster, narrow its patterns or raise its limit"
        ),
        1,
    ),
    (
        LaunchError("qemu", "it ended with status 1", "qemu: so it is", 1),
        ConnectError,
        "cannot launch qemu: it ended with status 1\nqemu: so it is",
        3,
    ),
    (
        OperationFailed("job 'j'", "No space left on device"),
        QmpxError,
        "job 'j' failed: No space left on device",
        1,
    ),
    (SchemaError("no schema"), QmpxError, "no schema", 1),
    (SchemaError("stray '?'", "t.json", 2, 7), QmpxError, "t.json:2:7: stray '?'", 1),
    (
        SchemaError(
            "'go' is already defined",
            "b.json",
            4,
            definition="command 'go'",
            includes=("t.json:1", "a.json:3"),
        ),
        QmpxError,
        (
            "In file included from t.json:1:\n"
            "In file included from a.json:3:\n"
            "b.json: In command 'go':\n"
            "b.json:4: 'go' is already defined"
        ),
        1,
    ),
    (GenericError("no such thing"), CommandError, "GenericError: no such thing", 1),
]


@pytest.mark.parametrize(("error", "parent", "text", "status"), ROWS)
def test_each_exception_has_its_parent_text_and_exit_status(
    error: QmpxError, parent: type[BaseException], text: str, status: int
) -> None:
    assert isinstance(error, QmpxError)
    assert isinstance(error, parent)
    assert str(error) == text
    assert error.exit_status == status


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_exception_goes_between_processes(
    row: tuple[QmpxError, object, str, int], protocol: int
) -> None:
    error = row[0]
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):  # noqa: S301
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert (str(again), again.args) == (str(error), error.args)


def test_every_exception_has_a_row() -> None:
    exported = {
        each
        for name in qmpx.errors.__all__
        if isinstance(each := getattr(qmpx.errors, name), type)
        and not issubclass(each, CommandError)
    }
    assert {type(error) for error, *_ in ROWS} - {GenericError} == exported


def test_what_an_exception_is_made_of_can_be_asked() -> None:
    refused = ConnectError("unix:q", "no such file", HINT)
    assert (refused.address, refused.reason, refused.hint) == (
        "unix:q",
        "no such file",
        HINT,
    )
    assert ConnectError("unix:q", "x").hint == ""
    late = DeadlineExceeded("stop", 2.5)
    assert (late.command, late.timeout, late.awaited) == ("stop", 2.5, "")
    assert EventsLost(3).dropped == 3


def test_a_greeting_that_is_late_is_no_deadline_of_a_command() -> None:
    assert not issubclass(GreetingTimeout, DeadlineExceeded | TimeoutError)


def test_no_name_of_a_builtin_is_taken() -> None:
    assert not {*dir(__builtins__)} & {*qmpx.errors.__all__}
