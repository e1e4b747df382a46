"""What the measuring clients share: the stopwatch, and what they ask for."""

from __future__ import annotations

import cProfile
import gc
import json
import os
import time
from typing import Final

BATCH: Final = 64
BURST: Final = 1000  # events that the responder sends for one "burst"
STATUS: Final = "query-status"


PROFILE: Final = "QMPX_BENCH_PROFILE"  # names the file to keep a profile in


class Stopwatch:
    """Counts CPU and wall time from `start` to `stop`."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile() if PROFILE in os.environ else None
        self._wall = self._cpu = 0

    def start(self) -> None:
        """Begin to count, with as little garbage about as can be."""
        gc.collect()
        if self._profile:
            self._profile.enable()
        self._wall, self._cpu = time.monotonic_ns(), time.process_time_ns()

    def stop(self, ops: int, **figures: float) -> None:
        """Print what *ops* operations took."""
        cpu = time.process_time_ns() - self._cpu
        wall = time.monotonic_ns() - self._wall
        if self._profile:
            self._profile.disable()
            self._profile.dump_stats(os.environ[PROFILE])
        report = {"ops": ops, "cpu_ns": cpu, "wall_ns": wall, **figures}
        print(json.dumps(report), flush=True)
