"""What a guest agent can be told not to do as it should."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.dialects.agent.behaviour import MAX_DELAY, SETTINGS, AgentBehaviour


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("starts-after", 2, 2.0),
        ("starts-after", 0.5, 0.5),
        ("starts-after", MAX_DELAY, MAX_DELAY),
        ("starts-after", "never", None),
        ("echoes-ids", False, False),
        ("is-deaf", True, True),
        ("stale", "ü", "ü".encode()),
        ("disabled", ["guest-exec", "guest-exec"], {"guest-exec"}),
        ("delays", {"guest-ping": 1}, {"guest-ping": 1.0}),
    ],
)
def test_a_plain_value_is_held_as_the_attribute_has_it(
    name: str, value: Any, held: object
) -> None:
    behaviour = AgentBehaviour()
    behaviour.set(name, value)
    got = getattr(behaviour, name.replace("-", "_"))
    assert (got, type(got)) == (held, type(held))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("starts-after", -1, "seconds or \"never\" for 'starts-after'"),
        ("starts-after", True, "seconds or \"never\" for 'starts-after'"),
        ("starts-after", MAX_DELAY + 1, "seconds or \"never\" for 'starts-after'"),
        ("echoes-ids", 1, "true or false for 'echoes-ids'"),
        ("is-deaf", "yes", "true or false for 'is-deaf'"),
        ("stale", b"x", "text for 'stale'"),
        ("disabled", "x", "a list of commands for 'disabled'"),
        ("disabled", [1], "a list of commands for 'disabled'"),
        ("delays", [], "a table of commands and seconds for 'delays'"),
        ("delays", {"x": -1}, "a table of commands and seconds for 'delays'"),
    ],
)
def test_another_value_is_refused_and_nothing_changes(
    name: str, value: Any, expected: str
) -> None:
    behaviour = AgentBehaviour()
    with pytest.raises(ValueError, match="for") as caught:
        behaviour.set(name, value)
    assert str(caught.value) == expected
    assert behaviour == AgentBehaviour()


def test_every_attribute_can_be_set_and_no_other() -> None:
    spelled = {name.replace("-", "_") for name in SETTINGS}
    assert spelled == set(AgentBehaviour.__slots__)
    with pytest.raises(KeyError):
        AgentBehaviour().set("starts_after", 1)
