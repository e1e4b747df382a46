"""``qmpx record``: pass a conversation on, and write it down."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import BinaryIO

from qmpx.errors import AddressError
from qmpx.testing.recording import Recorder
from qmpx.transcript import Entry, write_entry
from qmpx.transcript.redaction import redactor


def run(arguments: argparse.Namespace) -> None:
    """Record until interrupted.

    Raises:
        AddressError: An address or the file cannot be had.
    """
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    try:
        # What crosses a monitor is for its user alone.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        output = os.fdopen(os.open(arguments.output, flags, 0o600), "wb", buffering=0)
    except OSError as error:
        message = f"cannot write {arguments.output}: {error.strerror}"
        raise AddressError(message) from error
    with output:
        asyncio.run(_record(arguments, output))


async def _record(arguments: argparse.Namespace, output: BinaryIO) -> None:
    redact = (lambda entry: entry) if arguments.secrets else redactor()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError):  # not on this platform
            loop.add_signal_handler(number, ended.set)

    def write(entry: Entry) -> None:
        output.write(write_entry(redact(entry)))

    async with Recorder(
        arguments.address,
        arguments.listen,
        write,
        timeout=arguments.connect_timeout,
        allow_remote=arguments.allow_remote,
    ) as recorder:
        print(f"qmpx: recording {recorder.address}", file=sys.stderr, flush=True)
        await ended.wait()
