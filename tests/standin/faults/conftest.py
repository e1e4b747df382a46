"""A machine to go wrong, with time moved by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.testing import ServedMachine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def machine() -> Iterator[ServedMachine]:
    """Serve a machine with virtual time."""
    with ServedMachine(name="box") as machine:
        yield machine
