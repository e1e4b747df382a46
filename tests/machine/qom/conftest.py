"""A machine with a board and a USB controller, whose guest does as it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.modern.profile.types import use_types
from qmpx.machine import Machine
from qmpx.standin.profile.file import shipped_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

GIB = 2**30


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Return a PC of QEMU 7.2 with room for processors and memory."""
    made = Machine(memory_size=GIB, processor_count=1)
    use_types(made, shipped_profile())
    made.qom.become("pc-i440fx-7.2")
    made.qom.memory_slots, made.qom.maximum_memory = 2, 4 * GIB
    made.qom.processors.topology |= {"maxcpus": 2, "cores": 2}
    made.qom.devices.add({"driver": "qemu-xhci", "id": "usb"}, hotplug=False)
    yield made
    made.close()
