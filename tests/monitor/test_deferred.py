"""A reply that is made elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.monitor.deferred import Deferred
from tests.loops import settle
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    happened,
    out_of_band,
    returned,
)

if TYPE_CHECKING:
    from tests.monitor.conftest import Connect, Run, Stage


def test_it_is_settled_once_and_calls_back_at_once() -> None:
    called: list[Deferred] = []
    deferred = Deferred()
    deferred.add_done_callback(called.append)
    assert not deferred.done()
    deferred.set_result(1)
    deferred.set_exception(GenericError("late"))
    assert deferred.cancel() is False
    assert (deferred.done(), deferred.cancelled(), deferred.exception()) == (
        True,
        False,
        None,
    )
    assert deferred.result() == 1
    assert called == [deferred]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_it_may_fail(is_cancelled: bool) -> None:
    called: list[Deferred] = []
    deferred = Deferred()
    if is_cancelled:
        assert deferred.cancel() is True
    else:
        deferred.set_exception(GenericError("no"))
    deferred.add_done_callback(called.append)
    assert called == [deferred]
    assert deferred.cancelled() is is_cancelled
    error = asyncio.CancelledError if is_cancelled else GenericError
    assert isinstance(deferred.exception(), error)
    with pytest.raises(error):
        deferred.result()


def test_a_handler_may_defer_its_reply(
    run: Run, path: str, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        deferred = {name: Deferred() for name in ("done", "failed", "cancelled")}
        entry = stage.monitor.entries["wait"]  # declared as a coroutine
        entry.invoke = lambda _, arguments: deferred[bytes(arguments)[8:-2].decode()]  # type: ignore[arg-type]
        async with stage.monitor.serve(path):
            peer = await connect(NEGOTIATE)
            await peer.send(
                command("wait", 1, at="done"),
                command("wait", 2, at="failed"),
                command("wait", 3, at="cancelled"),
                command("value", 4),
            )
            await settle()
            # Reply and event stand in the order in which they were made.
            deferred["done"].set_result(5)
            stage.monitor.emit("AFTER")
            assert await peer.receive(2) == [returned(5, 1), happened("AFTER")]
            deferred["failed"].set_exception(GenericError("no"))
            deferred["cancelled"].cancel()
            assert await peer.receive(3) == [
                failed("no", 2),
                failed("The command wait was cancelled", 3),
                returned("something", 4),
            ]
            assert not stage.monitor.tasks

    run(main())


def test_a_client_that_floods_out_of_band_is_read_no_further(
    run: Run, path: str, stage: Stage, connect: Connect
) -> None:
    from qmpx.monitor.session import MAX_OVERTAKABLE

    async def main() -> None:
        async with stage.monitor.serve(path):
            peer = await connect(ENABLE_OOB)
            many = MAX_OVERTAKABLE + 5
            for number in range(many):
                await peer.send(out_of_band("wait-oob", number, at=f"o{number}"))
                await settle()
            assert len(stage.began) == MAX_OVERTAKABLE
            for number in range(many):
                stage.open(f"o{number}", number)
                assert await peer.receive() == [returned(number, number)]
                await settle()

    run(main())
