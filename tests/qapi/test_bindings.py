"""The bindings that qmpx ships."""

from __future__ import annotations

import pytest

from qmpx.qapi.bindings import qemu_9_2 as qapi
from qmpx.qapi.call import Call
from tools import generate_bindings


@pytest.mark.slow
@pytest.mark.peer("schemas")
def test_the_bindings_are_fresh() -> None:
    fresh = generate_bindings.bindings(generate_bindings.SOURCE)
    assert generate_bindings.BINDINGS.read_text() == fresh, "run make generate"


def test_a_call_is_a_plain_value() -> None:
    call = qapi.block_resize(node_name="disk0", size=2**30)
    assert call == Call("block_resize", {"node-name": "disk0", "size": 2**30}, None)


def test_events_know_their_names() -> None:
    assert qapi.BlockJobCompleted.event_name == "BLOCK_JOB_COMPLETED"
    assert qapi.Stop().timestamp == -1.0
