"""The way of a command: role, gates, observers, known answers, the monitor."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET

from qmpx.errors import GenericError
from qmpx.gateway.policy import Decision
from qmpx.monitor.deferred import Deferred
from tests.loops import settle
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    out_of_band,
    returned,
)

if TYPE_CHECKING:
    from tests.monitor.conftest import Connect, Run, Stage


class Notes:
    """An observer that notes how commands went."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.refuses = ""

    def connected(self, client: Any) -> None:
        self.told.append(("connected", client.number))

    def disconnected(self, client: Any, reason: str) -> None:
        self.told.append(("disconnected", client.number, reason))

    def decided(self, _: Any, name: str, arguments: Any, decision: Any) -> None:
        if name == self.refuses:
            message = "it cannot be noted"
            raise GenericError(message)
        text = b"" if arguments is UNSET else bytes(arguments)
        self.told.append(("decided", name, text, decision.verdict))

    def answered(self, *told: Any) -> None:
        _, name, _, _, outcome, seconds = told
        assert seconds >= 0
        self.told.append(("answered", name, outcome))

    def event(self, sequence: int, name: str, data: Any, message: bytes) -> None:
        self.told.append(("event", sequence, name, bytes(data), message))

    def upstream_changed(self, state: str, reason: str) -> None:
        self.told.append(("upstream", state, reason))


def test_observers_are_told_of_all_that_happens(
    run: Run, share: Any, connect: Connect
) -> None:
    notes = Notes()

    async def main() -> None:
        async with share() as shared:
            shared.observers.append(notes)
            peer = await connect(NEGOTIATE)
            await peer.ask(command("value", 1, of="x"))
            await peer.ask(command("refuse"))
            await peer.send(command("emit", name="E", data={"a": 1}))
            await peer.receive(2)
            peer.close()
            await settle()

    run(main())
    number = notes.told[0][1]
    message = (
        b'{"timestamp": {"seconds": 1, "microseconds": 5}, "event": "E", '
        b'"data": {"a": 1}}\r\n'
    )
    assert notes.told == [
        ("connected", number),
        ("decided", "value", b'{"of": "x"}', "allow"),
        ("answered", "value", "return"),
        ("decided", "refuse", b"", "allow"),
        ("answered", "refuse", "GenericError"),
        ("decided", "emit", b'{"name": "E", "data": {"a": 1}}', "allow"),
        ("event", 1, "E", b'{"a": 1}', message),
        ("answered", "emit", "return"),
        ("disconnected", number, ""),
    ]


def test_what_cannot_be_noted_is_not_done(
    run: Run, share: Any, connect: Connect, stage: Stage
) -> None:
    notes, ran = Notes(), []
    notes.refuses = "note"

    @stage.monitor.command("note")
    def note() -> None:
        ran.append("note")

    async def main() -> None:
        async with share() as shared:
            shared.observers.append(notes)
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("note", 1)) == failed("it cannot be noted", 1)
            assert await peer.ask(command("value")) == returned("something")
            assert ran == []

    run(main())


def test_an_observer_with_a_defect_stops_nothing(
    run: Run, share: Any, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Notes):
        def answered(self, *_: Any) -> None:
            message = "a defect"
            raise RuntimeError(message)

    notes = Notes()

    async def main() -> None:
        async with share() as shared:
            shared.observers += [Broken(), notes]
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("value")) == returned("something")

    with caplog.at_level(logging.ERROR, "qmpx.gateway"):
        run(main())
    assert ("answered", "value", "return") in notes.told
    assert "Broken failed in answered" in caplog.text


class Gate:
    """A gate that answers as it is told, by the name of the command."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def check(self, _: Any, name: str, __: Any) -> Any:
        self.asked.append(name)
        return self.answers.get(name)


NO = Decision("deny", "gate", "not now")


def test_a_gate_refuses_or_lets_wait(run: Run, share: Any, connect: Connect) -> None:
    first, second, third = Deferred(), Deferred(), Deferred()
    gate, other = Gate(refuse=NO, value=first, large=third), Gate(value=second)

    async def main() -> None:
        async with share() as shared:
            shared.gates += [gate, other]
            peer = await connect(ENABLE_OOB)
            refused = await peer.ask(command("refuse", 1))
            assert refused == failed(
                "The role everything does not allow refuse here: not now", 1
            )
            await peer.send(command("value", 2))
            await peer.send(out_of_band("large", 3, size=1))
            assert await peer.now() == []
            first.set_result(None)
            assert await peer.now() == []
            third.set_result(NO)
            assert (await peer.receive())[0]["id"] == 3
            second.set_result(None)
            assert await peer.receive() == [returned("something", 2)]
            assert gate.asked == ["refuse", "value", "large"]
            assert other.asked == ["value"]

    run(main())


def test_a_command_whose_client_has_gone_does_not_go_on(
    run: Run, share: Any, connect: Connect, stage: Stage
) -> None:
    waits, ran = Deferred(), []

    @stage.monitor.command("note")
    def note() -> None:
        ran.append("note")

    async def main() -> None:
        async with share() as shared:
            shared.gates.append(Gate(note=waits))
            peer = await connect(NEGOTIATE)
            await peer.send(command("note"))
            await settle()
            shared.clients[0].disconnect("the test says so")
            waits.set_result(None)
            await settle()
            assert ran == []

    run(main())


class Memory:
    """Knows what it has learnt."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def recall(self, name: str, _: Any) -> bytes | None:
        return self.known.get(name)

    def learn(self, name: str, _: Any, value: bytes) -> None:
        self.known[name] = value


def test_a_known_answer_is_given_without_the_monitor(
    run: Run, share: Any, connect: Connect, stage: Stage
) -> None:
    memory, notes, ran = Memory(), Notes(), []

    @stage.monitor.command("count")
    def count() -> int:
        ran.append("count")
        return len(ran)

    async def main() -> None:
        async with share() as shared:
            shared.answers.append(memory)
            shared.observers.append(notes)
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("count", 1)) == returned(1, 1)
            assert await peer.ask(command("count", 2)) == returned(1, 2)
            assert ran == ["count"]

    run(main())
    assert [told for told in notes.told if told[0] == "answered"] == [
        ("answered", "count", "return")
    ] * 2


@pytest.mark.parametrize("is_lost", [True, False])
def test_how_a_lost_command_ended_is_told(
    run: Run, share: Any, connect: Connect, is_lost: bool, stage: Stage
) -> None:
    notes = Notes()

    async def main() -> None:
        async with share() as shared:
            shared.observers.append(notes)
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", at="gate"))
            await settle()
            if is_lost:
                (server,) = stage.monitor.servers
                server.break_off(server.listeners[0])
                assert "whether the command was" in str(await peer.receive())
                stage.open("gate")
            else:
                stage.open("gate", GenericError("no"))
                await peer.receive()

    logger = logging.getLogger("qmpx.gateway")
    was, logger.disabled = logger.disabled, True
    try:
        run(main())
    finally:
        logger.disabled = was
    outcome = "lost" if is_lost else "GenericError"
    assert ("answered", "wait", outcome) in notes.told


def test_the_gateways_own_commands_meet_role_and_observers(
    run: Run, guard: Any, connect: Connect
) -> None:
    notes = Notes()
    text = '[role.v]\nallow = ["x-qmpx-late", "x-qmpx-no", "query-commands"]\n'
    text += '[[listener]]\naddress = "*"\nrole = "v"\n'

    async def main() -> None:
        async with guard(text, observers=(notes,)) as shared:

            async def late(*, value: int) -> int:
                await settle(1)
                return value

            def refuse() -> None:
                message = "never"
                raise GenericError(message)

            shared.local.command("x-qmpx-now")(refuse)
            shared.local.command("x-qmpx-late")(late)
            shared.local.command("x-qmpx-no")(refuse)
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("x-qmpx-late", 1, value=7)) == returned(7, 1)
            assert await peer.ask(command("x-qmpx-no", 2)) == failed("never", 2)
            refused = await peer.ask(command("x-qmpx-now", 3))
            assert "does not allow x-qmpx-now" in refused["error"]["desc"]

    run(main())
    assert [told[1:] for told in notes.told if told[0] == "answered"] == [
        ("x-qmpx-late", "return"),
        ("x-qmpx-no", "GenericError"),
    ]


def test_without_a_gateways_own_command_its_name_is_passed_on(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share() as shared:
            peer = await connect(NEGOTIATE)
            missing = failed(
                "The command x-qmpx-now has not been found",
                error_class="CommandNotFound",
            )
            assert await peer.ask(command("x-qmpx-now")) == missing
            shared.local.command("x-qmpx-now")(lambda: None)
            assert await peer.ask(command("x-qmpx-now")) == returned({})

    run(main())
