"""Scenarios: what they say, and what is said of one that is wrong: file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.clock import RealClock, VirtualClock
from qmpx.standin.faults import FaultPlan, Scenario, ScenarioError, read_scenario
from qmpx.standin.faults.scenario import parse_scenario

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = b"""\
# A slow host.
seed = 7
clock = "virtual"

[guest]
power-off = 30
unplug = "never"

[[fault]]
kind = "reply-late"
command = "query-block"
nth = 3
seconds = 180

[[fault]]
kind = "command-failed"
class = "DeviceNotActive"
"""


def test_a_scenario_says_all() -> None:
    late = {
        "kind": "reply-late",
        "command": "query-block",
        "nth": 3,
        "seconds": 180,
    }
    scenario = parse_scenario(WHOLE)
    assert scenario == Scenario(
        seed=7,
        clock="virtual",
        guest={"power-off": 30.0, "unplug": None},
        faults=[late, {"kind": "command-failed", "class": "DeviceNotActive"}],
    )
    assert isinstance(scenario.make_clock(), VirtualClock)
    assert scenario.make_guest() is not None
    plan = FaultPlan(seed=scenario.seed)
    scenario.apply(plan)
    assert [fault.kind.name for fault in plan.faults] == [
        "reply-late",
        "command-failed",
    ]


def test_an_empty_scenario_changes_nothing() -> None:
    scenario = parse_scenario(b"")
    assert scenario == Scenario()
    assert isinstance(scenario.make_clock(), RealClock)
    assert scenario.make_guest() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"seed = 1\nclock = \n", "s.toml:2: this is no TOML: invalid value"),
        (b"a = [1,\n", "s.toml:2: this is no TOML: invalid value"),
        (b"seed = 1\n# \xff\n", "s.toml:2: expected UTF-8"),
        (b'\nseed = "x"', "s.toml:2: expected a whole number for 'seed', not 'x'"),
        (b"seed = true", "s.toml:1: expected a whole number for 'seed', not True"),
        (
            b'clock = "slow"',
            's.toml:1: expected clock = "real" or "virtual", not \'slow\'',
        ),
        (b"guest = 3", "s.toml:1: expected a table [guest], not 3"),
        (
            b"\n\n[faults]\nx = 1",
            "s.toml:3: a scenario has no 'faults'; did you mean 'fault'? (it has",
        ),
        (b"fault = 3", "s.toml:1: expected tables [[fault]], not 3"),
        (b"[guest]\nage = 3", "s.toml:2: a guest has no 'age' (it has power-off, "),
        (
            b'[guest]\n\nunplug = "no"',
            "s.toml:3: expected seconds or \"never\" for 'unplug', not 'no'",
        ),
        (
            b'[[fault]]\nkind = "mute"\n\n[[fault]]\nseconds = 1',
            's.toml:4: expected kind = "...", the name of a fault',
        ),
        (
            b'[[fault]]\nkind = "mute"\n\n[[fault]]\n  kind="mut"',
            "s.toml:5: no fault is called 'mut'; did you mean 'mute'?",
        ),
        (
            b'[[fault]]\nkind = "mute"\n\n[[fault]]\nkind = "mute"\nseconds = "1"',
            "s.toml:6: expected a number for 'seconds', not '1'",
        ),
        (
            b'[[fault]]\nkind = "reply-patched"\nset.status = 1\nremove = 1',
            "s.toml:4: expected an array for 'remove', not 1",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: bytes, message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "s.toml")
    assert str(raised.value).startswith(message)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ScenarioError) as raised:
        read_scenario(path)
    assert str(raised.value) == f"{path}: No such file or directory"


def test_a_scenario_is_no_book() -> None:
    with pytest.raises(ScenarioError, match="a scenario has 1048576 at most"):
        parse_scenario(b"#" * 1_048_577)
