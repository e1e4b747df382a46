"""A source whose destination is held by hand: what it says, believes and does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import RunState, VirtualClock
from qmpx.machine.migration.counterpart import ANSWER_LIMIT, DOUBT_LIMIT
from qmpx.machine.migration.links import pair
from qmpx.machine.migration.outgoing import GREETING_LIMIT
from qmpx.machine.migration.records import Kind
from qmpx.machine.migration.values import dump_value, load_value
from tests.machine.migration.worlds import MIB, Hand, side

if TYPE_CHECKING:
    from collections.abc import Callable

UNREAD = "the destination's answer cannot be read: "
DOUBT = (
    "the connection broke after the destination had been told to go on, "
    "and it cannot be asked whether it does; the machine stays paused here"
)


class Destination(Hand):
    """A destination by hand, and the source that it talks to."""

    def __init__(self, *, speed: int = 2**32) -> None:
        self.clock = VirtualClock()
        self.source = side(started=True, clock=self.clock)
        ours, theirs = pair(self.clock)
        super().__init__(ours)
        self.source.machine.guest.working_set = MIB
        self.source.machine.migration.limits.set_speed(speed)
        self.source.machine.migration.start_over(theirs)
        self.turn()

    def turn(self) -> None:
        self.clock.advance(0.1)

    def greet(self, greeting: Any = None) -> None:
        self.say(Kind.HELLO, dump_value(greeting or {"witness": None}))
        self.turn()

    def ready(self, digest: bytes | None = None) -> None:
        end = self.heard[-1]
        assert end.kind is Kind.END
        self.say(Kind.READY, digest or end.payload[1:])
        self.turn()

    @property
    def outcome(self) -> tuple[str | None, str, str]:
        migration = self.source.machine.migration
        return migration.status, self.source.machine.state.value, migration.failure


def test_it_says_all_gives_the_word_and_says_that_it_knows() -> None:
    destination = Destination()
    assert destination.kinds == [Kind.MACHINE, Kind.RAM][: len(destination.kinds)]
    destination.greet()
    assert destination.kinds[-1:] == [Kind.END]
    assert destination.heard[-1].payload[:1] == b"\x01"
    assert destination.outcome[:2] == ("active", "finish-migrate")
    destination.ready()
    assert destination.kinds[-1:] == [Kind.GO]
    destination.say(Kind.STARTED)
    destination.turn()
    assert destination.kinds[-1:] == [Kind.DONE]
    assert destination.outcome == ("completed", "postmigrate", "")


def test_it_describes_the_machine() -> None:
    description = load_value(Destination().heard[0].payload)
    assert len(description.pop("token")) == 16
    assert description == {
        "name": None,
        "uuid": bytes(16),
        "memory": MIB,
        "processors": 1,
        "disks": {},
        "witness": None,
    }


def test_the_machine_runs_on_until_somebody_greets_or_is_taken_for_a_store() -> None:
    destination = Destination()
    destination.clock.advance(GREETING_LIMIT - 0.5)
    assert destination.source.is_running
    destination.clock.advance(0.5)
    assert destination.heard[-1].kind is Kind.END
    assert destination.heard[-1].payload[:1] == b"\x00"
    assert destination.outcome == ("completed", "postmigrate", "")


def test_a_greeting_that_comes_after_that_is_not_heard() -> None:
    destination = Destination()
    destination.clock.advance(GREETING_LIMIT - 0.1)
    destination.clock.advance(0.05)
    while destination.heard[-1].kind is not Kind.END:
        destination.clock.advance(0.01)
    destination.greet()
    assert destination.outcome == ("completed", "postmigrate", "")


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (
            lambda d: d.greet({"witness": 5}),
            "where the other side can be asked is no address",
        ),
        (lambda d: d.greet({"what": 5}), "its greeting is none"),
        (lambda d: d.greet([5]), "its greeting is none"),
        (lambda d: d.say(Kind.READY), "READY does not belong to the phase live"),
        (lambda d: d.say(Kind.STARTED), "STARTED does not belong to the phase live"),
        (lambda d: d.say(Kind.RAM), "RAM does not belong to the phase live"),
        (
            lambda d: d.link.write(b"HTTP/1.1 400 Bad"),
            "this is no stream of a machine: it begins b'HTTP/1.1 400 '",
        ),
    ],
)
def test_answers_that_are_none_end_it_and_the_machine_runs_on(
    answer: Callable[[Destination], None], failure: str
) -> None:
    destination = Destination(speed=1000)
    answer(destination)
    destination.turn()
    status, state, reason = destination.outcome
    assert (status, state) == ("failed", "running")
    assert reason == UNREAD + failure
    assert destination.is_over


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (lambda d: d.say(Kind.REFUSED, b"no"), "the destination refuses: no"),
        (lambda d: d.link.close(), "the other end has closed the connection"),
        (
            lambda d: d.ready(bytes(32)),
            UNREAD + "it has another machine than was sent",
        ),
        (
            lambda d: d.say(Kind.STARTED),
            UNREAD + "STARTED does not belong to the phase closing",
        ),
        (
            lambda d: d.clock.advance(ANSWER_LIMIT),
            "the destination does not answer",
        ),
    ],
)
def test_until_it_has_given_the_word_the_machine_comes_back(
    answer: Callable[[Destination], None], failure: str
) -> None:
    destination = Destination()
    destination.greet()
    assert destination.source.machine.state is RunState.FINISH_MIGRATE
    answer(destination)
    destination.turn()
    assert destination.outcome == ("failed", "running", failure)


@pytest.mark.parametrize(
    "answer",
    [
        lambda d: d.link.close(),
        lambda d: d.say(Kind.REFUSED, b"no"),
        lambda d: d.link.write(bytes(9)),
        lambda d: d.clock.advance(ANSWER_LIMIT),
    ],
)
def test_once_it_has_given_the_word_only_proof_brings_the_machine_back(
    answer: Callable[[Destination], None],
) -> None:
    destination = Destination()
    destination.greet()
    destination.ready()
    answer(destination)
    destination.turn()
    assert destination.outcome == ("active", "finish-migrate", "")
    destination.source.machine.migration.cancel()
    assert destination.outcome == ("active", "finish-migrate", "")
    destination.clock.advance(DOUBT_LIMIT + 1)
    assert destination.outcome == ("failed", "postmigrate", DOUBT)
    destination.source.machine.cont()
    assert destination.source.is_running


def test_cancelled_while_it_stands_still_the_machine_runs_on() -> None:
    destination = Destination()
    destination.greet()
    destination.source.machine.migration.cancel()
    destination.turn()
    assert destination.kinds[-1] is Kind.ABORT
    assert destination.outcome == ("cancelled", "running", "")


def test_a_machine_that_is_switched_off_at_the_end_stays_off() -> None:
    destination = Destination()
    destination.greet()
    destination.source.machine.shut_down(reason="host-qmp-quit")
    destination.link.close()
    destination.turn()
    assert destination.outcome[:2] == ("failed", "shutdown")


def test_a_disk_that_cannot_be_read_ends_it(tmp_path: Any) -> None:
    clock = VirtualClock()
    source = side(started=True, clock=clock)
    (tmp_path / "hd.img").write_bytes(bytes(MIB))
    source.machine.drives.plug({"file": str(tmp_path / "hd.img"), "index": "0"})
    image = source.machine.drives["ide0-hd0"].image
    assert image is not None

    def fail(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    image.read = fail  # type: ignore[assignment,method-assign]
    source.machine.migration.start_over(pair(clock)[0], block=True)
    clock.advance(1)
    assert source.is_running
    assert source.machine.migration.failure == (
        "a disk cannot be read: [Errno 5] Input/output error"
    )
