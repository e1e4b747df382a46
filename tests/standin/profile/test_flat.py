"""Simple objects of JSON, read without a reader of JSON."""

from __future__ import annotations

import json

import pytest

from qmpx.standin.profile.file import shipped_profile
from qmpx.standin.profile.flat import find_flat

MACHINES = (shipped_profile().find("query-machines") or b"").decode()


@pytest.mark.parametrize("machine", json.loads(MACHINES), ids=lambda x: str(x["name"]))
def test_each_machine_of_the_profile_is_read_as_json_is(
    machine: dict[str, object],
) -> None:
    assert find_flat(MACHINES, f'"name": "{machine["name"]}"') == machine
    if "alias" in machine:
        assert find_flat(MACHINES, f'"alias": "{machine["alias"]}"') == machine


@pytest.mark.parametrize(
    ("text", "member", "found"),
    [
        pytest.param('[{"a": 1, "b": true}]', '"a": 1', {"a": 1, "b": True}, id="flat"),
        pytest.param('[{"a": 12}, {"a": 1}]', '"a": 1', {"a": 1}, id="beginning"),
        pytest.param('[{"a": 1}]', '"a": 2', None, id="none"),
        pytest.param('[{"a": 1, "b": [2]}]', '"a": 1', None, id="with a list"),
        pytest.param('[{"a": 1, "b": "\\n"}]', '"a": 1', None, id="with an escape"),
        pytest.param('[{"a": 1, "b": 1.5}]', '"a": 1', None, id="with a fraction"),
        pytest.param('[{"a":1}]', '"a": 1', None, id="spelled otherwise"),
    ],
)
def test_what_is_not_that_simple_is_left_alone(
    text: str, member: str, found: object
) -> None:
    assert find_flat(text, member) == found
