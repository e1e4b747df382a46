"""Processors and watchdog, as QEMU 7.2 shows them."""

from __future__ import annotations

import threading

import pytest

from qmpx.machine import Machine
from qmpx.machine.hardware.watchdog import WatchdogAction
from tests.dialects.conftest import Box, boxed


def test_each_processor_has_a_thread() -> None:
    before = threading.active_count()
    with boxed(Machine(processor_count=3)) as box:
        threads = threading.active_count()
        found = box.run("query-cpus-fast")
        ids = [processor.pop("thread-id") for processor in found]
        assert threading.active_count() == threads + 3
        assert {*ids} <= {thread.native_id for thread in threading.enumerate()}
        assert len({*ids}) == 3
        assert found == [
            {
                "props": {"core-id": index, "thread-id": 0, "socket-id": 0},
                "qom-path": f"/machine/unattached/device[{place}]",
                "cpu-index": index,
                "target": "x86_64",
            }
            for index, place in ((0, 0), (1, 2), (2, 3))
        ]
        box.do(lambda: box.machine.shut_down(reason="host-signal"))
        assert threading.active_count() == threads
    assert threading.active_count() == before


def test_an_nmi_goes_to_all_processors(box: Box) -> None:
    assert box.run("inject-nmi") == {}
    assert [processor.nmi_count for processor in box.machine.processors] == [1]


@pytest.mark.parametrize("action", WatchdogAction)
def test_an_action_is_chosen(box: Box, action: WatchdogAction) -> None:
    assert box.run("watchdog-set-action", action=action.value) == {}
    assert box.machine.chipset.watchdog.action is action


def test_there_is_no_other_action(box: Box) -> None:
    assert box.refusal("watchdog-set-action", action="foo") == (
        "GenericError",
        "Parameter 'action' does not accept value 'foo'",
    )
