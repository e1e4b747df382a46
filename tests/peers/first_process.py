"""The first process of a namespace: runs a daemon when told to, and buries orphans.

It reads single letters: ``s`` starts the daemon that its arguments name; ``t`` and
``k`` end it, well and suddenly. When there is nothing more to read it ends, and so does
all else in the namespace.
"""

from __future__ import annotations

import os
import select
import signal
import sys


def main() -> None:
    """Run until standard input ends."""
    daemon = 0
    woken, wake = os.pipe()
    for fd in (woken, wake):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready = select.select([0, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 512)
            bury()
        if 0 not in ready:
            continue
        match os.read(0, 1):
            case b"s":
                if daemon:
                    wait_for(daemon)  # until then its pid file is locked
                daemon = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])  # noqa: S606
            case b"t" | b"k" as order if daemon:
                how = signal.SIGTERM if order == b"t" else signal.SIGKILL
                os.kill(daemon, how)
            case b"":
                return


def wait_for(child: int) -> None:
    """Wait until a child has ended."""
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return  # it is buried


def bury() -> None:
    """Take note of all children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


main()
