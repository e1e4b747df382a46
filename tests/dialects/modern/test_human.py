"""A line of the human monitor by way of QMP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.dialects.conftest import Box


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("info name", "box\r\n"),
        ("info version", "7.2.22qmpx\r\n"),
        ("info status", "VM status: running\r\n"),
        ("print 1+2", "0x3\r\n"),
        ("foo", "unknown command: 'foo'\r\n"),
        ("eject foo", "Error: Device 'foo' not found\r\n"),
        ("", ""),
        ("change vnc password", "terminal does not support password prompting\r\n"),
    ],
)
def test_a_line_is_answered_as_a_person_would_read_it(
    box: Box, line: str, said: str
) -> None:
    box.run("cont")
    assert box.run("human-monitor-command", command_line=line) == said


def test_what_it_does_it_does_to_the_machine(box: Box) -> None:
    box.run("cont")
    box.events()
    assert box.run("human-monitor-command", command_line="stop") == ""
    assert [name for name, _ in box.events()] == ["STOP"]


def test_a_processor_is_for_one_line_only(box: Box) -> None:
    def current(cpu_index: int | None = None) -> str:
        more = {} if cpu_index is None else {"cpu_index": cpu_index}
        said: str = box.run("human-monitor-command", command_line="info cpus", **more)
        return next(line for line in said.splitlines() if line.startswith("*"))

    assert current().startswith("* CPU #0:")
    assert current(0).startswith("* CPU #0:")
    for index in (-1, 9):
        assert box.refusal(
            "human-monitor-command", command_line="info cpus", cpu_index=index
        ) == ("GenericError", "Parameter 'cpu-index' expects a CPU number")
