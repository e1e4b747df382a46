"""A monitor that is shared, on the loop of the test, and the sockets of both sides."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway import SharedMonitor
from tests.monitor.conftest import (  # noqa: F401
    connect,
    directory,
    open_fds,
    path,
    run,
    stage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.monitor.conftest import Stage


@pytest.fixture
def share(
    stage: Stage,  # noqa: F811
    directory: Path,  # noqa: F811
    path: str,  # noqa: F811
) -> Callable[..., AbstractAsyncContextManager[SharedMonitor]]:
    """Serve the stage's monitor to a gateway alone, and the gateway at `path`."""
    upstream = str(directory / "up.sock")

    @asynccontextmanager
    async def sharing() -> AsyncIterator[SharedMonitor]:
        async with (
            stage.monitor.serve(upstream, max_sessions=1, grace=0),
            SharedMonitor(upstream) as shared,
            shared.serve(path, grace=0),
        ):
            yield shared

    return sharing
