"""Names in generated Python."""

from __future__ import annotations

import pytest

from qmpx.qapi.generation.names import (
    Names,
    attribute_names,
    camel_case,
    needs_field,
    value_names,
)
from qmpx.qapi.model import Command, Event, ObjectType, Schema


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("BLOCK_JOB_COMPLETED",), "BlockJobCompleted"),
        (("query-status", "result"), "QueryStatusResult"),
        (("x-blockdev-amend", "options"), "XBlockdevAmendOptions"),
        (("__org.qemu_x-Thing",), "OrgQemuXThing"),
        (("VNC_CONNECTED",), "VncConnected"),
    ],
)
def test_words_make_the_name_of_a_class(words: tuple[str, ...], name: str) -> None:
    assert camel_case(*words) == name


@pytest.mark.parametrize(
    ("wires", "names"),
    [
        (["node-name", "bps_rd", "UUID"], ["node_name", "bps_rd", "UUID"]),
        (["in", "class", "int", "list"], ["in_", "class_", "int_", "list_"]),
        (["a-b", "a_b"], ["a_b", "a_b_"]),
        (["3d"], ["n3d"]),
        (["timestamp"], ["timestamp"]),
    ],
)
def test_members_are_spelled_for_python(wires: list[str], names: list[str]) -> None:
    assert list(attribute_names(wires).values()) == names


def test_events_have_attributes_of_their_own() -> None:
    names = attribute_names(["timestamp", "event-name"], event=True)
    assert names == {"timestamp": "timestamp_", "event-name": "event_name_"}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["deep-blue", "none"], ["DEEP_BLUE", "NONE"]),
        (["480", "x.y"], ["N_480", "X_Y"]),
        (["a", "A"], ["A", "A_"]),
    ],
)
def test_values_are_in_capitals(values: list[str], names: list[str]) -> None:
    assert list(value_names(values).values()) == names


@pytest.mark.parametrize(
    ("wire", "attribute", "needed"),
    [
        ("node-name", "node_name", False),
        ("id", "id", False),
        ("bps_rd", "bps_rd", True),
        ("in", "in_", True),
        ("UUID", "UUID", False),
    ],
)
def test_what_msgspec_cannot_guess_is_said(
    wire: str, attribute: str, *, needed: bool
) -> None:
    assert needs_field(wire, attribute) is needed


def test_no_name_is_there_twice() -> None:
    schema = Schema.of(
        [
            ObjectType(name="q_empty"),
            ObjectType(name="Stop"),
            ObjectType(name="Call"),
            Command(name="call"),
            Command(name="a-b"),
            Command(name="a_b"),
            Command(name="yield"),
            Event(name="STOP"),
            Event(name="GO"),
        ]
    )
    names = Names(schema, {"Stop": (), "Call": (), "0": ("go",)})
    assert names.types == {"Stop": "Stop", "Call": "Call_", "0": "Go_"}
    assert names.events == {"STOP": "StopEvent", "GO": "Go"}
    assert names.commands == {
        "call": "call_",
        "a-b": "a_b",
        "a_b": "a_b_",
        "yield": "yield_",
    }
    assert names.branch("Stop", "x-y") == "Stop_x_y"
    assert names.branch("Stop", "x_y") == "Stop_x_y_"
    assert names.unknown_branch("Stop") == "Stop_unknown"
