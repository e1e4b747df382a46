"""A monitor that is shared, on the loop of the test, and the sockets of both sides."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway import SharedMonitor
from qmpx.gateway.access.access import Access
from qmpx.gateway.settings.configuration import parse_configuration
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
def guard(
    stage: Stage,  # noqa: F811
    directory: Path,  # noqa: F811
    path: str,  # noqa: F811
) -> Callable[..., AbstractAsyncContextManager[SharedMonitor]]:
    """Serve the stage's monitor to a gateway alone, and the gateway at `path`.

    It is given the text of a configuration, if there is to be a policy, and where to
    serve, if elsewhere.
    """
    upstream = str(directory / "up.sock")

    @asynccontextmanager
    async def guarding(
        text: str, *places: str, observers: tuple[Any, ...] = ()
    ) -> AsyncIterator[SharedMonitor]:
        async with (
            stage.monitor.serve(upstream, max_sessions=1, grace=0),
            SharedMonitor(upstream) as shared,
        ):
            shared.observers += observers
            if text:
                shared.access = Access(parse_configuration(text))
            async with shared.serve(*(places or (path,)), grace=0):
                yield shared

    return guarding


@pytest.fixture
def share(
    guard: Callable[..., AbstractAsyncContextManager[SharedMonitor]],
) -> Callable[..., AbstractAsyncContextManager[SharedMonitor]]:
    """Serve as `guard` does, without a policy."""
    return partial(guard, "")
