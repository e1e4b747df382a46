"""The thread that greets while all else is being imported."""

from __future__ import annotations

import sys

from qmpx.standin.greeter import PROMPT, Greeter


def test_threads_take_turns_quickly_while_it_greets_and_as_before_afterwards() -> None:
    before = sys.getswitchinterval()
    greeter = Greeter([], b"{}")
    try:
        assert round(sys.getswitchinterval(), 6) == PROMPT
    finally:
        greeter.stop()
    assert sys.getswitchinterval() == before
