"""What a monitor says of itself follows from its handlers; and it can be held to it."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

import pytest

import qmpx
from qmpx.cli.schema_text import outline
from qmpx.errors import LocalProtocolError
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.monitor.introspection import query_events
from qmpx.monitor.session import Session  # noqa: TC001 - handlers' annotations
from qmpx.qapi.differences import differences
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.wire.server import MODERN_RULES
from tests.loops import short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Talk = Callable[[Monitor], AbstractContextManager[qmpx.Client]]


class Move(TypedDict):
    device: str


shared = CommandRegistry()


@shared.command("count", allow_oob=True, features=("unstable",))
def count(target: list[Any], *, step: int = 1) -> int:
    """Count on."""
    target.append(step)
    answer: int = target[0]
    return answer


@shared.command("move")
def move(session: Session, *, device: Any) -> None:
    """Move something."""
    session.monitor.emit("MOVED", {"device": device})


@shared.command("wait", asynchronous=True)
async def wait(_: object) -> str:
    """Wait."""
    return "done"


SAID = [
    "command count(step?: int) -> int  [unstable]",
    "command move(device: any)",
    "command wait() -> str",
    "command qmp_capabilities(enable?: [str])",
    "command query-qmp-schema() -> [QueryQmpSchemaResult]",
    "command query-commands() -> [Named]",
    "event MOVED(device: str)",
]


def monitor_with(target: Any = None, **options: Any) -> Monitor:
    """Return a monitor of the commands above, and one event."""
    monitor = Monitor(target, commands=shared, introspection=True, **options)
    monitor.event("MOVED", Move)
    return monitor


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Serve a monitor in a thread, and connect a client."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_directory())

        @contextmanager
        def conversation(monitor: Monitor) -> Iterator[qmpx.Client]:
            address = f"unix:{folder}/qmp"
            with monitor.serve_in_thread(address), qmpx.connect(address) as client:
                yield client

        yield conversation


def test_the_schema_follows_from_the_handlers() -> None:
    assert list(outline(monitor_with().schema)) == SAID


def test_a_client_is_told_the_same(talk: Talk) -> None:
    monitor = monitor_with()
    with talk(monitor) as vm:
        told = vm.execute("query-qmp-schema")
        assert told == to_introspection(monitor.schema)
        assert differences(monitor.schema, vm.schema()) == []
        names = [each["name"] for each in vm.execute("query-commands")]
        assert names == list(monitor.commands)
        assert vm.supports("count", argument="step")
        assert vm.supports("count", feature="unstable")
        assert vm.supports(event="MOVED", argument="device")
        assert not vm.supports("count", argument="steps")
        assert not vm.supports(event="STOP")


def test_what_is_declared_later_is_told_from_then_on(talk: Talk) -> None:
    monitor = monitor_with()
    with talk(monitor) as vm:
        before = vm.execute("query-qmp-schema")
        assert vm.execute("query-qmp-schema") == before
        assert monitor.schema is monitor.schema

        @monitor.command("late")
        def late(_: object) -> None:
            """Come late."""

        monitor.event("LATE")
        after = vm.execute("query-qmp-schema")
        names = {info["name"] for info in after} - {info["name"] for info in before}
        assert {"late", "LATE"} <= names


def test_a_monitor_says_nothing_of_itself_unless_asked_to() -> None:
    assert list(Monitor(commands=shared).commands) == [
        *("count", "move", "wait", "qmp_capabilities"),
    ]


def test_old_monitors_can_tell_of_events(talk: Talk) -> None:
    monitor = monitor_with()
    monitor.command("query-events")(query_events)
    with talk(monitor) as vm:
        assert vm.execute("query-events") == [{"name": "MOVED"}]


def test_that_replies_may_be_overtaken_is_told_where_they_may() -> None:
    rules = MODERN_RULES._replace(lets_overtake=True)
    schema = monitor_with(rules=rules).schema
    told = {name: c.features for name, c in schema.commands.items() if c.features}
    assert [feature.name for feature in told["wait"]] == ["asynchronous"]
    assert not monitor_with().schema.commands["wait"].features


def test_an_event_is_declared_once() -> None:
    with pytest.raises(TypeError, match="event 'MOVED' is declared twice"):
        monitor_with().event("MOVED")


def test_a_reply_that_is_not_as_declared_fails_its_command(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    with talk(monitor_with([7], check=True)) as vm:
        assert vm.execute("count") == 7
    with (
        talk(monitor_with(["seven"], check=True)) as vm,
        caplog.at_level(logging.ERROR, "qmpx.monitor"),
        pytest.raises(qmpx.CommandError) as raised,
    ):
        vm.execute("count")
    assert raised.value.desc == "An undefined error has occurred"
    (record,) = caplog.records
    assert record.getMessage() == "command count failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == (
        "what 'count' returned is not as declared: "
        "Invalid parameter type for '<anonymous>', expected: integer"
    )


def test_an_event_that_is_not_as_declared_fails_its_command(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    with talk(monitor_with(check=True)) as vm, vm.events() as events:
        vm.execute("move", device="cd0")
        assert events.get(timeout=5).data == {"device": "cd0"}
        with (
            caplog.at_level(logging.ERROR, "qmpx.monitor"),
            pytest.raises(qmpx.CommandError),
        ):
            vm.execute("move", device=7)
        vm.execute("move", device="cd1")
        assert events.get(timeout=5).data == {"device": "cd1"}
    (record,) = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == (
        "the data of 'MOVED' are not as declared: "
        "Invalid parameter type for 'device', expected: string"
    )


def test_an_event_that_is_not_declared_fails_where_checks_are_on() -> None:
    with pytest.raises(LocalProtocolError, match="no event 'GONE' is declared"):
        monitor_with(check=True).emit("GONE")
    monitor_with().emit("GONE")


def test_nobody_looks_where_checks_are_off(talk: Talk) -> None:
    monitor = monitor_with(["seven"])
    assert monitor.commands["count"] is shared["count"]
    with talk(monitor) as vm:
        assert vm.execute("count") == "seven"


def test_what_is_declared_while_checks_are_on_is_checked(talk: Talk) -> None:
    monitor = monitor_with(check=True)

    @monitor.command("lie")
    def lie(_: object) -> int:
        """Return no number."""
        return json.loads('"no"')  # type: ignore[no-any-return]

    with talk(monitor) as vm, pytest.raises(qmpx.CommandError):
        vm.execute("lie")
    assert shared["count"] is not monitor.commands["count"]


def test_postponed_events_are_declared_when_somebody_asks() -> None:
    asked = []

    def declare() -> dict[str, Any]:
        asked.append("events")
        return {"GROWN": None, "SHRUNK": None}

    monitor = Monitor()
    monitor.declarations.postpone(declare)
    assert asked == []
    assert set(monitor.schema.events) == {"GROWN", "SHRUNK"}
    with pytest.raises(TypeError, match="'GROWN' is declared twice"):
        monitor.event("GROWN")
    assert asked == ["events"]
