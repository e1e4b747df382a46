"""``qmpx replay``: serve a recorded conversation, and see whether it is held again."""

import argparse
import asyncio
import contextlib
import sys

from qmpx.cli.output import printable
from qmpx.cli.signals import on_signals
from qmpx.cli.transcript import read_file
from qmpx.testing.replaying import Divergence, Replay
from qmpx.transcript.difference import STRICT, Looseness


def run(arguments: argparse.Namespace) -> int:
    """Replay until all is over, or the first difference.

    Returns:
        1 if there was a difference.

    Raises:
        TranscriptError: The file is no recording.
        AddressError: The address cannot be had.
    """
    divergence = asyncio.run(_replay(arguments))
    if divergence is None:
        return 0
    for line in divergence.lines:
        print(f"qmpx: {printable(line)}" if line is divergence.lines[0] else line)
    return 1


async def _replay(arguments: argparse.Namespace) -> Divergence | None:
    base = Looseness() if arguments.loose else STRICT
    looseness = Looseness(members=(*base.members, *arguments.ignore))
    entries = read_file(arguments.file, arguments.format)
    async with Replay(
        entries,
        arguments.listen,
        strict=not arguments.loose,
        looseness=looseness,
        allow_remote=arguments.allow_remote,
    ) as replay:
        print(f"qmpx: replaying {replay.address}", file=sys.stderr, flush=True)
        task = asyncio.ensure_future(replay.wait())
        on_signals(task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return replay.divergence
