"""The load generator where there is no C compiler: the same modes, as far as it goes.

Its own cost is some ten times that of ``load.c``, so latencies and rates come out
worse than they are; the server's CPU time is measured alike.  Modes: seq, pipe,
schema, churn, and events with one session.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from typing import Final

_PATIENCE: Final = 30.0  # seconds that one read or write may take
_TIME_LIMIT: Final = 120  # seconds for all of it
_READ: Final = 1 << 18
_FIRST_ID: Final = 10_000


class Stream:
    """One negotiated session: sends bytes, reads lines."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(path)
        self._left = b""
        self.lines(1)
        self.sock.sendall(b'{"execute":"qmp_capabilities"}\n')
        self.lines(1)

    def lines(self, count: int) -> list[bytes]:
        """Return the next *count* lines."""
        parts = [self._left]
        found = self._left.count(b"\n")
        while found < count:
            data = self.sock.recv(_READ)
            if not data:
                sys.exit("load: the server closed")
            parts.append(data)
            found += data.count(b"\n")
        *lines, self._left = b"".join(parts).split(b"\n", count)
        return lines


def _phase(name: str) -> None:
    print(json.dumps({"phase": name}), flush=True)
    if not sys.stdin.readline():
        sys.exit("load: the caller has gone")


def _report(ops: int, wall: int, times: list[int]) -> None:
    _phase("done")
    times.sort()
    figures = {"ops": ops, "wall_ns": wall, "p50_ns": times[len(times) // 2]}
    print(json.dumps(figures), flush=True)


def _requests(command: str, count: int, end: str) -> bytes:
    first = _FIRST_ID if end else _FIRST_ID * 10  # 38 bytes either way
    return "".join(
        f'{{"execute":"{command}","id":{first + i}}}{end}' for i in range(count)
    ).encode()


def _exchange(path: str, batch: bytes, lines: int, batches: int, ops: int) -> None:
    stream = Stream(path)
    times: list[int] = []
    start = 0
    for i in range(-3, batches):
        if i == 0:
            _phase("ready")
            start = time.monotonic_ns()
        sent = time.monotonic_ns()
        stream.sock.sendall(batch)
        replies = stream.lines(lines)
        if i >= 0:
            times.append(time.monotonic_ns() - sent)
        elif b'"error"' in replies[-1][:200]:
            sys.exit(f"load: refused: {replies[-1][:200]!r}")
    _report(ops, time.monotonic_ns() - start, times)


def _churn(path: str, ops: int) -> None:
    _phase("ready")
    times: list[int] = []
    start = time.monotonic_ns()
    for _ in range(ops):
        sent = time.monotonic_ns()
        Stream(path).sock.close()
        times.append(time.monotonic_ns() - sent)
    _report(ops, time.monotonic_ns() - start, times)


def main(mode: str, path: str, *words: str) -> None:
    """Put one load on the server at *path*."""
    signal.alarm(_TIME_LIMIT)
    options = {key: int(value) for key, _, value in (w.partition("=") for w in words)}
    ops, depth = options.get("ops", 1000), options.get("depth", 64)
    end = "\n" if options.get("lines", 1) else ""
    if mode == "churn":
        _churn(path, ops)
    elif mode == "pipe":
        batch = _requests("query-status", depth, end)
        _exchange(path, batch, depth, ops // depth, ops // depth * depth)
    elif mode == "events" and options.get("sessions", 1) == 1:
        pair = b'{"execute":"stop"}\n{"execute":"cont"}\n'
        before = Stream(path)
        before.sock.sendall(b'{"execute":"cont"}\n')
        before.lines(1)  # it runs now, and the first "stop" causes an event
        before.sock.close()
        pairs = depth // 2
        _exchange(path, pair * pairs, 4 * pairs, ops // depth, ops // depth * depth)
    elif mode in {"seq", "schema"}:
        name = "query-status" if mode == "seq" else "query-qmp-schema"
        _exchange(path, _requests(name, 1, "\n"), 1, ops, ops)
    else:
        sys.exit(f"load: {mode} with these options needs a C compiler")


if __name__ == "__main__":
    main(*sys.argv[1:])
