"""Which files arguments may name, wherever in them they stand."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.gateway.policy.reach import Reach, member

REACH = Reach(directories=("/srv",))


@pytest.mark.parametrize(
    ("value", "is_within"),
    [
        ({"filename": "/srv/a"}, True),
        ({"filename": "a"}, False),
        ({"romfile": "bios.bin"}, False),
        ({"name": "a"}, True),
        ({"name": "/srv/a"}, True),
        ({"name": "/etc/a"}, False),
        ({"name": "../a"}, False),
        ({"name": "nbd://x"}, False),
        ({"name": "json:{}"}, False),
        ({"a": [{"b": {"c": "/etc/x"}}]}, False),
        ({"a": [1, None, True, 1.5, "x"]}, True),
        ({"filename": None}, True),
        ({"path": ["/srv/a", "/etc/a"]}, False),
    ],
)
def test_files_are_found_by_member_and_by_look(value: Any, is_within: bool) -> None:
    assert (REACH.fault_of_files(value) == "") is is_within


def test_a_fault_names_its_member() -> None:
    fault = REACH.fault_of_files({"backend": {"logfile": "/etc/x"}})
    assert fault == "logfile: '/etc/x' is not in the directories of the role (/srv)"


def test_what_is_no_object_has_no_members() -> None:
    assert member({"a": 1}, "a") == 1
    others: list[object] = [{}, None, "a", [1], 7]
    for value in others:
        assert member(value, "a") is None
