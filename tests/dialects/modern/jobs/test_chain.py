"""Streams and commits: what is refused, and what stopping does to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dialects.modern.conftest import statuses, wait

if TYPE_CHECKING:
    from tests.dialects.conftest import Box


@pytest.mark.parametrize(
    ("command", "arguments", "desc"),
    [
        (
            "block-stream",
            {"base": "x", "base_node": "y"},
            "'base' and 'base-node' cannot be specified at the same time",
        ),
        ("block-stream", {"base": "x"}, "Can't find 'x' in the backing chain"),
        (
            "block-stream",
            {"base_node": "top"},
            "Node 'top' is not a backing image of 'top'",
        ),
        (
            "block-stream",
            {"backing_file": "x"},
            "backing file specified, but streaming the entire chain",
        ),
        (
            "block-commit",
            {"top": "x", "top_node": "y"},
            "'top-node' and 'top' are mutually exclusive",
        ),
        (
            "block-commit",
            {"base": "x", "base_node": "y"},
            "'base-node' and 'base' are mutually exclusive",
        ),
        (
            "block-commit",
            {"backing_file": "x"},
            "'backing-file' specified, but 'top' is the active layer",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    chain: Box, command: str, arguments: dict[str, Any], desc: str
) -> None:
    refusal = chain.refusal(command, device="top", job_id="j", **arguments)
    assert refusal == ("GenericError", desc)
    assert chain.run("query-jobs") == []
    assert chain.events() == []


@pytest.mark.parametrize("command", ["block-commit", "block-stream"])
def test_a_job_without_a_speed_is_gone_as_soon_as_it_is_there(
    chain: Box, command: str
) -> None:
    refusal = chain.refusal(command, device="top", job_id="j", speed=-1)
    assert refusal == (
        "GenericError",
        "Parameter 'speed' expects a non-negative value",
    )
    assert statuses(chain) == ["created", "null"]


def test_stopping_drains_what_is_ready(chain: Box) -> None:
    chain.run("block-commit", device="top", job_id="c")
    wait(chain, "c", "ready")
    statuses(chain)
    chain.run("cont")
    chain.run("stop")
    assert statuses(chain) == ["standby", "ready"]
