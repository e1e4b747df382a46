"""The monitor of 2010 against the facts: nothing is missing, nothing is more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmpx.dialects.v2010 import v2010_monitor
from qmpx.dialects.v2010.dialect import EVENTS, command_table
from qmpx.errors import CommandError
from qmpx.machine import Machine
from tests.conftest import VECTORS

pytestmark = pytest.mark.peer("qemu-0.13")


@pytest.fixture(scope="module")
def facts() -> Any:
    return json.loads(VECTORS.joinpath("facts.json").read_text())


def test_the_40_commands_are_there_in_their_order(facts: Any) -> None:
    monitor = v2010_monitor(Machine())
    listed = [name for name, entry in monitor.entries.items() if entry.is_listed]
    assert listed == [command["name"] for command in facts["commands"]]
    assert len(listed) == 40
    assert monitor.entries.keys() - set(listed) == {"q", "c"}


def test_the_11_events_are_there(facts: Any) -> None:
    assert set(EVENTS.values()) == {event["name"] for event in facts["events"]}
    assert len(EVENTS) == 11


def test_the_39_errors_are_there_with_their_data_and_texts(facts: Any) -> None:
    declared = {
        name: (set(error.members), error.template_2010)
        for name, error in CommandError.catalogue.items()
        if name != "GenericError"  # which came with QEMU 1.2
    }
    told = {
        error["class"]: (
            set(error["data"]),
            error["desc"].replace("%(", "{").replace(")", "}"),
        )
        for error in facts["errors"]
    }
    assert declared == told
    assert len(declared) == 39


def test_the_65_commands_for_people_are_there_with_their_syntax(facts: Any) -> None:
    table = command_table()
    found = [(c.name, c.args_type, c.syntax) for c in table.commands.values()]
    assert found == [
        (c["name"], c["args_type"].strip(), c["params"].strip())
        for c in facts["hmp_commands"]
    ]
    assert len(found) == 65


def test_the_35_items_of_info_are_there(facts: Any) -> None:
    items = [f"info {name}" for name in command_table().items]
    assert items == [item["name"] for item in facts["info_commands"]]
    assert len(items) == 35


def test_who_shares_a_handler_with_qmp_is_told_by_the_table(facts: Any) -> None:
    table = command_table()
    lines = {line.name: line.qmp_name for line in table.commands.values()}
    lines |= {f"info {item.name}": item.qmp_name for item in table.items.values()}
    assert lines == {
        line["name"]: line["qmp"]
        for line in (*facts["hmp_commands"], *facts["info_commands"])
    }


def test_the_asynchronous_handlers_of_0_13_are_marked(facts: Any) -> None:
    entries = v2010_monitor(Machine()).entries
    told = {command["name"] for command in facts["commands"] if command["async"]}
    assert told == {"balloon", "query-balloon"}
    assert told <= {name for name, entry in entries.items() if entry.is_asynchronous}
