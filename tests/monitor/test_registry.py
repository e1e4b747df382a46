"""Commands: declared by functions, called with what the wire brought."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, Raw

from qmpx.errors import CommandError
from qmpx.monitor import CommandRegistry, Monitor, Session
from qmpx.monitor.frontend import Frontend


class Machine:
    """A target for handlers."""


class Own(Session):
    """A session with something of its own."""

    __slots__ = ()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def session(machine: Machine) -> Session:
    return Session(Monitor(machine), Frontend(), lambda _: None)


def call(commands: CommandRegistry, session: Session, arguments: str = "") -> Any:
    """Call the last command of a registry as a session does."""
    entry = list(commands.values())[-1]
    return entry.invoke(session, Raw(arguments.encode()) if arguments else UNSET)


def test_the_decorated_function_is_handed_back_as_it_was() -> None:
    def handler(_: Machine, *, size: int) -> int:
        return size

    commands = CommandRegistry()
    assert commands.command("handler")(handler) is handler


def test_commands_are_a_mapping_in_the_order_of_their_declaration() -> None:
    commands = CommandRegistry()
    for name in ("b", "a", "c"):
        commands.command(name)(lambda: None)
    assert list(commands) == ["b", "a", "c"]
    assert len(commands) == 3
    assert commands["a"].name == "a"
    assert "d" not in commands


def test_what_was_declared_can_be_asked_for() -> None:
    commands = CommandRegistry()

    @commands.command("quick", allow_oob=True)
    def quick() -> None:
        pass

    @commands.command("slow", holds_monitor=True)
    async def slow() -> None:
        pass

    assert [
        (e.name, e.handler, e.is_async, e.allow_oob, e.holds_monitor)
        for e in commands.values()
    ] == [("quick", quick, False, True, False), ("slow", slow, True, False, True)]


def test_a_name_is_declared_once() -> None:
    commands = CommandRegistry()
    commands.command("stop")(lambda: None)
    with pytest.raises(TypeError, match=r"^command 'stop' is declared twice$"):
        commands.command("stop")(lambda: None)


def test_a_registry_is_made_of_others_and_the_later_one_wins() -> None:
    first, second = CommandRegistry(), CommandRegistry()
    first.command("a")(lambda: 1)
    first.command("b")(lambda: 1)
    second.command("b")(lambda: 2)
    both = CommandRegistry(first, second)
    both.command("c")(lambda: 3)
    assert {name: entry.handler() for name, entry in both.items()} == {
        "a": 1,
        "b": 2,
        "c": 3,
    }
    assert list(first) == ["a", "b"]
    assert first["b"].handler() == 1


def test_positional_parameters_get_the_target_or_the_session_by_their_type(
    machine: Machine, session: Session
) -> None:
    commands = CommandRegistry()

    @commands.command("none")
    def none() -> Any:
        return ()

    assert call(commands, session) == ()

    @commands.command("target")
    def target(what: Machine) -> Any:
        return what

    assert call(commands, session) is machine

    @commands.command("session")
    def ask(who: Session) -> Any:
        return who

    assert call(commands, session) is session

    @commands.command("both")
    def both(who: Session, what: Machine, /) -> Any:
        return (who, what)

    assert call(commands, session) == (session, machine)

    @commands.command("bare")
    def bare(what) -> Any:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return what

    assert call(commands, session) is machine


def test_a_subclass_of_the_session_is_a_session(session: Session) -> None:
    commands = CommandRegistry()

    @commands.command("own")
    def own(who: Own) -> Any:
        return who

    assert call(commands, session) is session


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"device": "x"}', {"device": "x", "force": False, "node_name": None}),
        (
            '{"node-name": "n", "force": true, "device": "x"}',
            {"device": "x", "force": True, "node_name": "n"},
        ),
    ],
)
def test_arguments_are_keywords_and_what_is_left_out_has_its_default(
    session: Session, arguments: str, expected: dict[str, Any]
) -> None:
    commands = CommandRegistry()

    @commands.command("eject")
    def eject(
        _: Machine,
        *,
        device: str,
        force: bool = False,
        node_name: str | None = None,
    ) -> Any:
        return {"device": device, "force": force, "node_name": node_name}

    assert call(commands, session, arguments) == expected


@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize(
    ("arguments", "desc"),
    [
        ("", "Parameter 'device' is missing"),
        ("{}", "Parameter 'device' is missing"),
        (
            '{"device": 1}',
            "Invalid parameter type for 'device', expected: string",
        ),
        ('{"device": "x", "more": 1}', "Parameter 'more' is unexpected"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_and_nothing_runs(
    session: Session, arguments: str, desc: str, positional: bool
) -> None:
    commands = CommandRegistry()
    if positional:

        @commands.command("eject")
        def eject(machine: Machine, *, device: str) -> None:
            pytest.fail(f"{machine} ran: {device}")

    else:

        @commands.command("eject")
        def eject_alone(*, device: str) -> None:
            pytest.fail(f"it ran: {device}")

    with pytest.raises(CommandError) as caught:
        call(commands, session, arguments)
    assert caught.value.desc == desc


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_a_command_without_arguments_takes_none(
    session: Session, arguments: str
) -> None:
    commands = CommandRegistry()
    commands.command("stop")(lambda machine: type(machine).__name__)
    assert call(commands, session, arguments) == "Machine"
    with pytest.raises(CommandError) as caught:
        call(commands, session, '{"a": null}')
    assert caught.value.desc == "Parameter 'a' is unexpected"


def test_a_method_is_a_handler_too(session: Session) -> None:
    class Handlers:
        def name(self, machine: Machine, *, of: str) -> str:
            return f"{type(self).__name__} {type(machine).__name__} {of}"

    commands = CommandRegistry()
    commands.command("method")(Handlers().name)
    assert call(commands, session, '{"of": "x"}') == "Handlers Machine x"


def test_a_signature_that_is_no_schema_stops_at_the_declaration() -> None:
    commands = CommandRegistry()
    with pytest.raises(TypeError, match=r"^bad: .*more.* is no argument"):

        @commands.command("bad")
        def bad(**more: Any) -> None:
            pass

    assert "bad" not in commands


def broken(_: Machine, *, size: complex) -> None:
    """Take what no schema has."""


def test_a_slip_in_a_signature_stops_the_declaration() -> None:
    with pytest.raises(TypeError, match=r"resize: <class 'complex'> has no equivalent"):
        CommandRegistry().command("resize")(broken)


def test_a_registry_that_reads_late_finds_a_slip_at_the_first_use() -> None:
    commands = CommandRegistry(reads_late=True)
    assert commands.command("resize")(broken) is broken
    assert commands["resize"].handler is broken
    for _ in range(2):
        with pytest.raises(TypeError, match=r"resize: .* has no equivalent"):
            commands.read_signatures()


def test_a_command_that_is_read_late_is_as_any_other(session: Session) -> None:
    commands = CommandRegistry(reads_late=True)

    @commands.command("grow", allow_oob=True, features=("unstable",))
    def grow(_: Machine, *, size: int) -> list[int]:
        return [size, size + 1]

    entry = commands["grow"]
    assert (entry.allow_oob, entry.features) == (True, ("unstable",))
    assert call(commands, session, '{"size": 1}') == [1, 2]
    assert entry.encode([1]) == b"[1]"
    assert not entry.is_async


def test_a_postponed_command_is_looked_for_at_its_first_use(session: Session) -> None:
    asked = []

    def home() -> CommandRegistry:
        asked.append("home")
        commands = CommandRegistry()

        @commands.command("grow", holds_monitor=True, asynchronous=True)
        async def grow(_: Machine, *, size: int) -> int:
            return size + 1

        return commands

    commands = CommandRegistry()
    commands.postpone(["grow"], home)
    entry = commands["grow"]
    assert (entry.name, entry.is_listed, asked) == ("grow", True, [])
    assert entry.is_async
    assert entry.holds_monitor
    assert entry.is_asynchronous
    coroutine = call(commands, session, '{"size": 1}')
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == 2
    assert asked == ["home"]


def test_other_monitors_share_what_was_looked_for() -> None:
    asked = []

    def home() -> CommandRegistry:
        asked.append("home")
        commands = CommandRegistry()
        commands.command("a")(lambda: None)
        return commands

    commands = CommandRegistry()
    commands.postpone(["a"], home)
    one, other = Monitor(commands=commands), Monitor(commands=commands)
    assert one.entries["a"].signature is other.entries["a"].signature
    assert asked == ["home"]


def test_the_name_of_a_postponed_command_is_taken() -> None:
    commands = CommandRegistry()
    commands.postpone(["a"], CommandRegistry)
    with pytest.raises(TypeError, match="'a' is declared twice"):
        commands.postpone(["a"], CommandRegistry)


def test_an_entry_has_no_other_attributes() -> None:
    commands = CommandRegistry()
    commands.postpone(["a"], CommandRegistry)
    with pytest.raises(AttributeError, match="other"):
        _ = commands["a"].other


def test_a_home_that_lacks_the_command_is_a_defect_that_shows() -> None:
    commands = CommandRegistry()
    commands.postpone(["a"], CommandRegistry)
    with pytest.raises(KeyError, match="a"):
        commands.read_signatures()
