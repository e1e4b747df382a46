"""``qmpx record``: pass a conversation on, and write it down."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable

from qmpx.cli.signals import on_signals
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
    write = transcript_writer(arguments.output, has_secrets=arguments.secrets)
    asyncio.run(_record(arguments, write))


def transcript_writer(
    path: str, *, has_secrets: bool = False
) -> Callable[[Entry], None]:
    """Return a function that writes entries to a new file, as they come.

    Args:
        path: The file; only its owner may read it.
        has_secrets: Whether secrets are written, too.

    Raises:
        AddressError: It cannot be written.
    """
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise AddressError(message) from error
    redact = (lambda entry: entry) if has_secrets else redactor()

    def write(entry: Entry) -> None:
        # Open until the process ends, which may be sudden: nothing is kept back.
        line = memoryview(write_entry(redact(entry)))
        while line:
            line = line[os.write(descriptor, line) :]

    return write


async def _record(
    arguments: argparse.Namespace, write: Callable[[Entry], None]
) -> None:
    ended = asyncio.Event()
    on_signals(ended.set)

    async with Recorder(
        arguments.address,
        arguments.listen,
        write,
        timeout=arguments.connect_timeout,
        allow_remote=arguments.allow_remote,
    ) as recorder:
        print(f"qmpx: recording {recorder.address}", file=sys.stderr, flush=True)
        await ended.wait()
