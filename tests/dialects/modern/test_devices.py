"""Devices that the machine does not have, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.dialects.conftest import Box

NO_X = ("DeviceNotFound", "Device 'x' not found")


@pytest.mark.parametrize(
    ("command", "arguments", "refusal"),
    [
        ("device_del", {"id": "x"}, NO_X),
        ("device_del", {}, ("GenericError", "Parameter 'id' is missing")),
        ("set_link", {"name": "x", "up": True}, NO_X),
        ("set_link", {"name": "x"}, ("GenericError", "Parameter 'up' is missing")),
    ],
)
def test_what_is_not_there(
    box: Box, command: str, arguments: dict[str, Any], refusal: tuple[str, str]
) -> None:
    assert box.refusal(command, **arguments) == refusal
