"""Schemas that are loaded from real files, in a folder of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.qapi.language.schemas import loader

if TYPE_CHECKING:
    from pathlib import Path

    from tests.qapi.language.schemas import Load


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load schemas from files in the current directory; the first one is t.json."""
    monkeypatch.chdir(tmp_path)
    return loader(tmp_path)
