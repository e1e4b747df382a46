"""How a monitor is: well, busy, silent, gone, or held by another client.

QEMU runs commands in one thread, and those out of band in another. So a monitor that
answers out of band only is busy: its main loop waits for a disk, or for a lock. One
that does not answer at all is silent; mostly its process is stopped.
"""

import socket
import time
from typing import Final, Literal

from msgspec import Struct

from qmpx.errors import (
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    QmpxError,
)
from qmpx.transport.address import Address

QUESTION: Final = "query-version"
"""What every peer answers at once."""

SECOND_QUESTION: Final = "query-yank"
"""What can be asked out of band since QEMU 6.0; a refusal is an answer, too."""


class Health(Struct, frozen=True):
    """How a monitor is.

    Attributes:
        state: ``ok``; ``busy``: it answers out of band only; ``silent``: it does not
            answer; ``gone``: nobody is there; ``held``: another client has it.
        reason: What was seen; empty if all is well.
        hint: What to do about it; may be empty.
        in_band: Seconds that it took to answer, if it did.
        out_of_band: Seconds that it took to answer out of band, if it was asked.
    """

    state: Literal["ok", "busy", "silent", "gone", "held"]
    reason: str = ""
    hint: str = ""
    in_band: float | None = None
    out_of_band: float | None = None


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    @property
    def seconds(self) -> float:
        """How many went by."""
        return time.monotonic() - self._begin


def busy(out_of_band: float) -> Health:
    """Return the health of a monitor that answers out of band only."""
    return Health(
        "busy",
        "it answers out of band only: its main loop is busy, or waits for something",
        "wait, or see what it waits for: a disk, a network file system, a backup",
        out_of_band=out_of_band,
    )


def silent(sock: socket.socket | None, *, asked_twice: bool) -> Health:
    """Return the health of a monitor that does not answer.

    Args:
        sock: The connection to it.
        asked_twice: Whether it was asked out of band, too.
    """
    # Imported when needed: it looks through the processes of the system.
    from qmpx.transport.holders import peer
    from qmpx.transport.silence import explain_standstill

    server = peer(sock) if sock is not None else None
    if (why := explain_standstill(server)) is not None:
        return Health("silent", why.reason, why.hint)
    if asked_twice:
        return Health("silent", "it answers neither in band nor out of band")
    return Health(
        "silent",
        "it does not answer, and cannot be asked out of band: it may be busy",
        "see whether its process runs, and what it waits for",
    )


def unreachable(address: Address, reason: str, hint: str, *, is_there: bool) -> Health:
    """Return the health of a monitor that cannot be talked to.

    Args:
        address: Where it is.
        reason: Why, as the error says.
        hint: What to do, as the error says.
        is_there: Whether somebody took the connection.
    """
    if not is_there:
        return Health("gone", reason, hint)
    from qmpx.transport.holders import occupancy

    now = occupancy(address)
    is_held = now.holders or now.hidden or now.ours
    return Health("held" if is_held else "silent", reason, hint)


def by_answer(error: QmpxError | None, seconds: float) -> Health | None:
    """Judge by the answer to `QUESTION`; ``None``: there was none.

    Args:
        error: Why the command failed, if it did.
        seconds: How long that took.
    """
    if isinstance(error, (ConnectError, ConnectionLost)):
        return Health("gone", str(error))
    if isinstance(error, DeadlineExceeded):
        return None
    return Health("ok", "" if error is None else str(error), in_band=seconds)


def by_answer_out_of_band(error: QmpxError | None, seconds: float) -> Health | None:
    """Judge by the answer to `SECOND_QUESTION`; ``None``: there was none.

    Args:
        error: Why the command failed, if it did.
        seconds: How long that took.
    """
    if isinstance(error, (ConnectError, ConnectionLost)):
        return Health("gone", str(error))
    if isinstance(error, (DeadlineExceeded, LocalProtocolError)):
        return None
    return busy(seconds)
