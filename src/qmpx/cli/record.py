"""``qmpx record``: pass a conversation on, and write it down."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable

from qmpx.cli.signals import on_signals
from qmpx.errors import AddressError
from qmpx.testing.recording import Recorder
from qmpx.transcript import Entry, write_entry
from qmpx.transcript.redaction import redactor

logger = logging.getLogger("qmpx.record")


def run(arguments: argparse.Namespace) -> None:
    """Record until interrupted.

    Raises:
        AddressError: An address or the file cannot be had, or the file was full.
    """
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    transcript = TranscriptFile(arguments.output, has_secrets=arguments.secrets)
    asyncio.run(_record(arguments, transcript.write))
    if transcript.failure is not None:
        raise AddressError(transcript.failure)


class TranscriptFile:
    """A new file that entries are written to, as they come.

    When that fails, for want of space in most cases, nothing more is written; whoever
    is recorded does not suffer from it.

    Args:
        path: The file; only its owner may read it.
        has_secrets: Whether secrets are written, too.

    Attributes:
        failure: Why nothing is written any more; ``None`` while all is well.

    Raises:
        AddressError: It cannot be opened.
    """

    def __init__(self, path: str, *, has_secrets: bool = False) -> None:
        self.failure: str | None = None
        self._path = path
        self._redact = (lambda entry: entry) if has_secrets else redactor()
        self._written = 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            message = f"cannot write {path}: {error.strerror}"
            raise AddressError(message) from error

    def write(self, entry: Entry) -> None:
        """Write an entry, unless that has failed before."""
        if self.failure is not None:
            return
        try:
            line = write_entry(self._redact(entry))
        except RecursionError:
            note = "a message that is too deep to be written"
            line = write_entry(
                Entry(entry.time, connection=entry.connection, note=note)
            )
        try:
            # Open until the process ends, which may be sudden: nothing is kept back.
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self._written += len(line)
        except OSError as error:
            self.failure = f"cannot write {self._path}: {error.strerror}"
            logger.warning("%s; nothing more is recorded", self.failure)
            with contextlib.suppress(OSError):  # no half line, where it can be helped
                os.ftruncate(self._descriptor, self._written)


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
