"""What happens to the machine, as events."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.dialects.modern.events import as_event
from qmpx.machine.happenings import Happening, UnplugRefused


@pytest.mark.parametrize(
    ("happening", "event"),
    [
        (
            UnplugRefused("card", "/machine/peripheral/card"),
            (
                "DEVICE_UNPLUG_GUEST_ERROR",
                {"device": "card", "path": "/machine/peripheral/card"},
            ),
        ),
        (
            UnplugRefused(None, "/machine/peripheral-anon/device[0]"),
            (
                "DEVICE_UNPLUG_GUEST_ERROR",
                {"path": "/machine/peripheral-anon/device[0]"},
            ),
        ),
        (
            UnplugRefused("dimm", "/machine/peripheral/dimm", 2),
            (
                "ACPI_DEVICE_OST",
                {
                    "info": {
                        "device": "dimm",
                        "slot": "2",
                        "slot-type": "DIMM",
                        "source": 3,
                        "status": 1,
                    }
                },
            ),
        ),
    ],
)
def test_a_guest_that_keeps_a_device(
    happening: Happening, event: tuple[str, dict[str, Any]]
) -> None:
    assert as_event(happening) == event
