"""What tests of the shell share: a whole schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.shipped import shipped_schema

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema


@pytest.fixture(scope="session")
def schema() -> Schema:
    """Give the schema of QEMU 9.2."""
    return shipped_schema("9.2")
