"""What ends a command that serves: the signals that ask for it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any


def on_signals(function: Callable[..., object], *arguments: Any) -> None:
    """Call *function* when SIGINT, SIGTERM or SIGHUP comes; a loop has to run.

    Args:
        function: Called in the loop, instead of what the signal does otherwise.
        arguments: What it is called with.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError):  # not on this platform
            loop.add_signal_handler(number, function, *arguments)
