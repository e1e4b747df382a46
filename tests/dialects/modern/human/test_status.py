"""Run state and identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["info status"], "VM status: paused (prelaunch)\n"),
        (["cont", "info status"], "VM status: running\n"),
        (["c", "s", "info status"], "VM status: paused\n"),
        (
            ["cont", "singlestep on", "info status"],
            "VM status: running (single step mode)\n",
        ),
        (["singlestep x"], "unexpected option x\n"),
        (["info name"], "box\n"),
        (["info uuid"], "00000000-0000-0000-0000-000000000000\n"),
        (["info dump"], "Status: none\n"),
        (["info replay"], "Record/replay is not active\n"),
        (["replay_seek 1"], "replay must be enabled to seek\n"),
        (["info sev"], "SEV is not enabled\n"),
        (["info spice"], "Server: disabled\n"),
        (["info vm-generation-id"], "Error: VM Generation ID device not found\n"),
        (["watchdog_action zz"], "Error: invalid parameter value: zz\n"),
        (["watchdog_action pause"], ""),
        (
            ["system_wakeup"],
            "Error: Unable to wake up: guest is not in suspended state\n",
        ),
        (["balloon 1"], "Error: No balloon device has been activated\n"),
        (["info numa"], "0 nodes\n"),
    ],
)
def test_a_line_says(say: Callable[[str], str], lines: list[str], said: str) -> None:
    *before, last = lines
    for line in before:
        assert say(line) == ""
    assert say(last) == said
