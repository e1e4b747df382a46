"""The same seed gives the same run: all that a client sees."""

from __future__ import annotations

import random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from qmpx.standin.faults import Scenario
from qmpx.testing import ServedMachine
from tests.standin.faults.talk import talking

# Those that leave the client something to read, whatever was asked.
KINDS = [
    "command-failed",
    "command-missing",
    "reply-twice",
    "reply-wrong-id",
    "reply-without-id",
    "reply-patched",
    "reply-garbage",
    "events-after-reply",
    "event-lost",
    "event-twice",
]


def run(seed: int) -> tuple[bytes, list[Any]]:
    """Have a conversation, and return what was sent back, and what was written down."""
    faults = [{"kind": kind, "probability": 0.3} for kind in KINDS]
    chance = random.Random(1)
    scenario = Scenario(seed=seed, faults=faults)
    with ServedMachine(scenario=scenario) as machine, talking(machine.path) as talk:
        seen = talk.line()
        talk.send("qmp_capabilities", "hello")
        for number in range(60):
            talk.send(chance.choice(["stop", "cont", "query-status"]), number)
            if number % 7 == 0:
                machine.clock.advance(0.5)
        talk.send("qmp_capabilities", "goodbye")
        while b'"goodbye"' not in seen[-200:]:
            seen += talk.line()
        return seen, machine.conversation.entries


@pytest.mark.slow
@given(seed=st.integers(0, 2**32))
@settings(max_examples=12)
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    def without_times(seen: bytes) -> list[bytes]:
        # When a command is read, before or after time passed, is for the sockets.
        return [line.partition(b'"event"')[2] or line for line in seen.splitlines()]

    assert without_times(run(seed)[0]) == without_times(run(seed)[0])


def test_another_seed_gives_another_run() -> None:
    assert run(1)[0] != run(2)[0]
