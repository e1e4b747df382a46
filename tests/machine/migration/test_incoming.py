"""A destination whose source is held by hand: what it says, takes and refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import RunState, VirtualClock
from qmpx.machine.migration.contents import MAX_STATE, describe
from qmpx.machine.migration.counterpart import ANSWER_LIMIT
from qmpx.machine.migration.links import pair
from qmpx.machine.migration.records import ONE_WAY, TWO_WAY, Kind
from qmpx.machine.migration.values import dump_value
from tests.machine.migration.worlds import Hand, side

if TYPE_CHECKING:
    from collections.abc import Callable

PREPARED = "the connection broke before the source gave the machine away"


class Source(Hand):
    """A source by hand, and the destination that it talks to."""

    def __init__(self, *, may_run: bool = True) -> None:
        self.clock = VirtualClock()
        self.destination = side(clock=self.clock)
        ours, theirs = pair(self.clock)
        migration = self.destination.machine.migration
        migration.receive_from(theirs, may_run=may_run)
        super().__init__(ours)

    def turn(self) -> None:
        self.clock.advance(0)

    def describe(self, **changes: Any) -> None:
        description = describe(self.destination.machine, {})
        description |= {"token": bytes(16), "witness": None} | changes
        self.say(Kind.MACHINE, dump_value(description))

    def part(self, value: Any, *, is_last: bool = True) -> None:
        self.say(Kind.PART, (b"\x00" if is_last else b"\x01") + dump_value(value))

    def end(self, way: bytes = TWO_WAY) -> bytes:
        digest = self.digest()
        self.say(Kind.END, way + digest)
        self.turn()
        return digest

    def all(self, way: bytes = TWO_WAY, state: str = "running") -> bytes:
        """Say all that a machine of no particulars has to say."""
        self.describe()
        self.part(["", {"state": state, "ran": 5, "drives": {}}])
        return self.end(way)


def test_it_greets_says_what_it_has_and_that_it_goes_on() -> None:
    source = Source()
    digest = source.all()
    assert source.kinds == [Kind.HELLO, Kind.READY]
    assert source.heard[1].payload == digest
    assert source.destination.machine.state.value == "inmigrate"
    source.say(Kind.GO)
    source.turn()
    assert source.kinds[2:] == [Kind.STARTED]
    assert source.destination.is_running
    source.say(Kind.DONE)
    source.turn()
    assert source.is_over
    assert source.destination.has_come


def test_it_goes_on_at_once_where_nobody_wants_an_answer() -> None:
    source = Source()
    source.all(ONE_WAY)
    assert source.destination.is_running
    assert source.is_over


def test_without_the_word_it_never_goes_on() -> None:
    source = Source()
    source.all()
    source.clock.advance(ANSWER_LIMIT - 1)
    assert source.destination.told == []
    source.clock.advance(2)
    assert source.destination.refusal == PREPARED
    assert source.destination.machine.state is RunState.INMIGRATE


@pytest.mark.parametrize(
    ("way_out", "reason"),
    [
        (lambda source: source.link.close(), PREPARED),
        (lambda source: source.say(Kind.ABORT), "the source has called it off"),
        (
            lambda source: source.link.write(b"x" * 9),
            "the stream is damaged before byte ",
        ),
    ],
)
def test_when_all_is_here_and_it_comes_to_nothing_it_says_why(
    way_out: Callable[[Source], None], reason: str
) -> None:
    source = Source()
    source.all()
    way_out(source)
    source.turn()
    assert str(source.destination.refusal).startswith(reason)
    assert source.destination.machine.state is RunState.INMIGRATE


def test_an_owner_stays_the_owner_when_the_connection_breaks() -> None:
    source = Source()
    source.all()
    source.say(Kind.GO)
    source.turn()
    source.link.close()
    source.clock.advance(100)
    assert source.destination.is_running
    assert source.destination.refusal is None


def test_an_owner_does_not_mind_nonsense() -> None:
    source = Source()
    source.all()
    source.say(Kind.GO)
    source.say(Kind.GO)
    source.say(Kind.RAM)
    source.turn()
    assert source.destination.is_running
    assert source.destination.refusal is None


def test_a_machine_that_is_switched_off_meanwhile_stays_off() -> None:
    source = Source()
    source.all()
    source.destination.machine.shut_down(reason="host-qmp-quit")
    source.say(Kind.GO)
    source.turn()
    assert source.destination.machine.state is RunState.SHUTDOWN
    assert source.kinds[2:] == [Kind.STARTED]


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.MACHINE])
def test_before_the_description_nothing_is_taken(kind: Kind) -> None:
    source = Source()
    source.say(kind)
    source.turn()
    reason = (
        "the source has called it off"
        if kind is Kind.ABORT
        else f"{kind.name} does not belong to the phase loading"
    )
    assert source.destination.refusal == reason


def test_what_is_refused_is_told_to_the_source() -> None:
    source = Source()
    source.describe(memory=5)
    source.turn()
    reason = "the machine that comes has memory 5, this one has 1048576"
    assert source.heard[-1] == (Kind.REFUSED, reason.encode())
    assert source.destination.refusal == reason


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (b"n", "the description of the machine is no dictionary"),
        ({"processors": 2}, "the machine that comes has processors 2, this one has 1"),
        ({"disks": None}, "the description of the machine has no disks"),
        ({"disks": {"hd": 1}}, "this machine has no disk 'hd' that can be written"),
        ({"token": b"short"}, "the description of the machine has no token"),
        ({"witness": ["x", 0]}, "where the other side can be asked is no address"),
        ({"witness": 7}, "where the other side can be asked is no address"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    description: Any, reason: str
) -> None:
    source = Source()
    if isinstance(description, bytes):
        source.say(Kind.MACHINE, description)
    else:
        source.describe(**description)
    source.turn()
    assert source.destination.refusal == reason


WHOLE = {"state": "running", "ran": 0, "drives": {}}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "the run state of the machine is missing or unknown"),
        ([["", {}]], "the run state of the machine is missing or unknown"),
        (
            [["", WHOLE | {"state": "dreaming"}]],
            "the run state of the machine is missing or unknown",
        ),
        (
            [["", {"state": "running"}]],
            "the time that the machine has run, or its drives, is missing",
        ),
        (
            [["", WHOLE | {"ran": -1}]],
            "the time that the machine has run, or its drives, is missing",
        ),
        ([["", WHOLE | {"drives": {"hd": []}}]], "this machine has no drive 'hd'"),
        ([["", WHOLE], ["soul", {}]], "this machine has no part 'soul'"),
        ([["", WHOLE], ["memory", {}]], "this machine has no part 'memory'"),
        (["what"], "what came as the state of a part is none"),
        ([["x", 5]], "what came as the state of a part is none"),
    ],
)
def test_states_that_do_not_fit_are_refused(parts: list[Any], reason: str) -> None:
    source = Source()
    source.describe()
    for part in parts:
        source.part(part)
    source.end()
    assert source.destination.refusal == reason
    assert source.destination.machine.state is RunState.INMIGRATE


def test_a_drive_whose_state_is_none_is_refused() -> None:
    source = Source()
    source.destination.machine.drives.add("cd", id="cd", removable=True)
    source.describe()
    source.part(["", WHOLE | {"drives": {"cd": [1, 2]}}])
    source.end()
    assert source.destination.refusal == "the state of drive 'cd' is none"


def test_a_state_may_come_in_pieces_but_not_without_end() -> None:
    source = Source()
    source.describe()
    data = dump_value(["", WHOLE])
    source.say(Kind.PART, b"\x01" + data[:5])
    source.say(Kind.PART, b"\x00" + data[5:])
    source.end(ONE_WAY)
    assert source.destination.is_running
    source = Source()
    source.describe()
    piece = b"\x01" + bytes(2**21 - 1)
    for _ in range(MAX_STATE // 2**21 + 1):
        source.say(Kind.PART, piece)
        source.turn()
    assert source.destination.refusal == (
        f"the state of a part has more than {MAX_STATE} bytes"
    )


def test_another_sha_256_is_refused() -> None:
    source = Source()
    source.describe()
    source.part(["", WHOLE])
    source.say(Kind.END, TWO_WAY + bytes(32))
    source.turn()
    assert source.destination.refusal == (
        "the stream is damaged: its SHA-256 is another"
    )


def test_an_end_of_no_known_way_is_refused() -> None:
    source = Source()
    source.describe()
    source.part(["", WHOLE])
    source.end(b"\x07")
    assert source.destination.refusal == (
        "the source wants an answer, and there is no way back"
    )
