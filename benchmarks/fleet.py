"""A thousand machines in one process, each with a monitor and a socket of its own.

``python -m benchmarks.fleet DIALECT COUNT DIRECTORY`` prints one object: what making
them cost, and what they hold while all of them serve and each has answered once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks.measure import rss_bytes
from qmpx.cli.serve import make_monitor
from qmpx.machine import Machine
from qmpx.monitor.loop import loop_factory

_SPARE_FILES: Final = 100


async def _raise_fleet(dialect: str, count: int, directory: Path) -> dict[str, float]:
    await _ask(dialect, directory / "first", AsyncExitStack())  # what all of them share
    gc.collect()
    before, begun = rss_bytes(os.getpid()), time.process_time_ns()
    async with AsyncExitStack() as stack:
        for number in range(count):
            await _ask(dialect, directory / str(number), stack)
        spent = time.process_time_ns() - begun
        gc.collect()
        grown = rss_bytes(os.getpid()) - before
    return {
        "machines": count,
        "ms_each": spent / count / 1e6,
        "kb_each": grown / count / 1000,
        "total_mb": (before + grown) / 1e6,
    }


async def _ask(dialect: str, path: Path, stack: AsyncExitStack) -> None:
    """Make a machine, serve it, and ask it how it is, as a client that then goes."""
    machine = Machine(path.name, is_started=True)
    monitor = make_monitor(machine, dialect)
    await stack.enter_async_context(monitor.serve(path))
    reader, writer = await asyncio.open_unix_connection(path)
    await reader.readline()
    writer.write(b'{"execute": "qmp_capabilities"}{"execute": "query-status"}')
    for _ in range(2):
        answer = json.loads(await reader.readline())
        if "return" not in answer:
            raise RuntimeError(answer)
    writer.close()


def main() -> None:
    """Measure, and print what was measured."""
    dialect, count, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - _SPARE_FILES)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(_raise_fleet(dialect, count, directory))))


if __name__ == "__main__":
    main()
