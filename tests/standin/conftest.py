"""What the tests of the stand-in share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a path that is short enough for a socket, in a folder of its own."""
    # pytest's own tmp_path is too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder:
        yield Path(folder, "socket")
