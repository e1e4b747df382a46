"""What the tests of the display share."""

from __future__ import annotations

import pytest

from tests.loops import LOOPS


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """Give the kind of loop that server and client live on."""
    name: str = request.param
    return name
