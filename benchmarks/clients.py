"""A client process that measures itself: ``python -m benchmarks.clients``.

Arguments: subject, work, socket, operations. It connects, warms up, does the work,
and prints one JSON object: operations, its own CPU time and the wall time of the work,
in ns. A process of its own for each figure: nothing leaks from one into the next.

Works: seq, gather64, batch64, events, schema, schema-raw, errors, echo64k, churn,
memory. An asyncio library is a `Peer`; the work is the same code for all of them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measure import rss_bytes
from benchmarks.peers import ASYNC_PEERS
from benchmarks.stopwatch import BATCH, BURST, STATUS, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.peers import AsyncPeer

TIME_LIMIT: Final = 110


async def repeat(
    ops: int, work: Callable[[], Awaitable[object]], each: int = 1
) -> None:
    """Do *work*, which is *each* operations, until *ops* are done."""
    rounds = max(1, ops // each)
    for _ in range(min(20, rounds)):
        await work()
    watch = Stopwatch()
    watch.start()
    for _ in range(rounds):
        await work()
    watch.stop(rounds * each)


async def sequential(peer: AsyncPeer, ops: int) -> None:
    """One request at a time."""
    execute = peer.execute
    for _ in range(100):
        await execute(STATUS)
    watch, times = Stopwatch(), []
    watch.start()
    for _ in range(ops):
        begun = time.perf_counter_ns()
        await execute(STATUS)
        times.append(time.perf_counter_ns() - begun)
    watch.stop(ops, p50_ns=sorted(times)[ops // 2])


async def gather(peer: AsyncPeer, ops: int) -> None:
    """As many at once as one call of gather can."""
    execute = peer.execute
    await repeat(
        ops, lambda: asyncio.gather(*[execute(STATUS) for _ in range(BATCH)]), BATCH
    )


async def batch(peer: AsyncPeer, ops: int) -> None:
    """As many at once, by the library's own call."""
    commands = [STATUS] * BATCH
    await repeat(ops, lambda: peer.execute_many(commands), BATCH)


async def events(peer: AsyncPeer, ops: int) -> None:
    """Events in bursts, each taken by one consumer."""

    async def burst() -> None:
        await peer.execute("burst")
        await peer.take_events(BURST)

    await peer.listen()
    await repeat(ops, burst, BURST)


async def schema(peer: AsyncPeer, ops: int) -> None:
    """The reply of 207 kB, decoded."""
    await repeat(ops, lambda: peer.execute("query-qmp-schema"))


async def schema_raw(peer: AsyncPeer, ops: int) -> None:
    """The reply of 207 kB, kept as it is."""
    await repeat(ops, lambda: peer.execute_raw("query-qmp-schema"))


async def errors(peer: AsyncPeer, ops: int) -> None:
    """Error replies, raised and caught."""

    async def fail() -> None:
        try:
            await peer.execute("fail")
        except peer.error:
            return
        sys.exit("no error came")

    await repeat(ops, fail)


async def echo(peer: AsyncPeer, ops: int) -> None:
    """64 kB there and back."""
    arguments = {"data": "x" * 65_536}
    await repeat(ops, lambda: peer.execute("echo", arguments))


WORKS: Final[dict[str, Callable[[AsyncPeer, int], Awaitable[None]]]] = {
    "seq": sequential,
    "gather64": gather,
    "batch64": batch,
    "events": events,
    "schema": schema,
    "schema-raw": schema_raw,
    "errors": errors,
    "echo64k": echo,
}


async def work_async(make: type[AsyncPeer], work: str, address: str, ops: int) -> None:
    """Do *work* with the asyncio library of *make*."""
    if work == "churn":

        async def once() -> None:
            peer = make()
            await peer.connect(address)
            await peer.close()

        await repeat(ops, once)
    elif work == "memory":
        await memory(make, address, ops)
    else:
        peer = make()
        await peer.connect(address)
        await WORKS[work](peer, ops)
        await peer.close()


async def memory(make: type[AsyncPeer], address: str, count: int) -> None:
    """*count* connections at once, and each used once."""
    first = make()  # what is loaded once is not counted
    await first.connect(address)
    await first.execute(STATUS)
    gc.collect()
    before = rss_bytes(os.getpid())
    watch, peers = Stopwatch(), [make() for _ in range(count)]
    watch.start()
    for peer in peers:
        await peer.connect(address)
    gc.collect()
    idle = rss_bytes(os.getpid()) - before
    for peer in peers:
        await peer.execute(STATUS)
    used = rss_bytes(os.getpid()) - before
    watch.stop(count, idle_kb=idle / count / 1000, used_kb=used / count / 1000)
    for peer in [*peers, first]:
        await peer.close()


def main(subject: str, work: str, address: str, ops: int) -> None:
    """Do *work* as *subject* and print what it took."""
    signal.alarm(TIME_LIMIT)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if subject in ASYNC_PEERS:
        job: Any = work_async(ASYNC_PEERS[subject], work, address, ops)
        if subject.endswith("-uvloop"):
            import uvloop

            uvloop.run(job)
        else:
            asyncio.run(job)
    else:
        from benchmarks import blocking

        blocking.work_blocking(subject, work, address, ops)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
