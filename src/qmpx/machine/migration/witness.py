"""Who owns the machine? Both ends of a migration can be asked, on a way of its own.

When the connection of a migration breaks at the very end, each side has to find out
what the other has done. Each therefore has a `Witness`: a port that exists exactly as
long as its process can speak for itself. An answer is proof, and so is that nobody
listens there any more, if somebody did before: then that process is gone, and cannot
own the machine. Silence proves nothing.

A question is `QUESTION`, the token of the migration (16 bytes) and a `Claim`; the
answer is `ANSWER` and a `Verdict`.
"""

import asyncio
import contextlib
import enum
import socket
from collections.abc import Callable
from typing import Final

from qmpx.machine.clock import Clock, Timer
from qmpx.machine.migration.socket_link import SocketLink

QUESTION: Final = b"qmpx owner?\n"
"""How a question begins."""

ANSWER: Final = b"qmpx owner:\n"
"""How an answer begins."""

TOKEN_SIZE: Final[int] = 16
"""Bytes of a migration's token: none is guessed, and no two are the same."""

MAX_QUESTIONS: Final = 8
"""Questions that a witness reads at once: there is one asker; who hangs makes room."""

ANSWER_LIMIT: Final = 2.0
"""Seconds for one question: far more than a turn of the peer's loop takes."""

_QUESTION_SIZE: Final = len(QUESTION) + TOKEN_SIZE + 1
_ANSWER_SIZE: Final = len(ANSWER) + 1


class Claim(enum.IntEnum):
    """What the asker says of itself."""

    PROBE = 0
    """I only try whether you can be asked."""
    LOST = 1
    """The connection broke; as the source: after I have said that it is yours."""
    OWNER = 2
    """It is mine: you said so."""


class Verdict(enum.IntEnum):
    """Whose the machine is, as the one who answers sees it."""

    UNDECIDED = 0
    """That is not settled yet: ask again."""
    MINE = 1
    """It belongs to the one who answers."""
    YOURS = 2
    """It belongs to the one who asks."""
    DEAD = 254
    """Never sent: nobody listens there."""
    SILENT = 255
    """Never sent: there is no answer, and that proves nothing."""


class Witness:
    """Answer questions about one migration.

    Args:
        host: Where to listen: an address of this host, in numbers.
        token: Of the migration.
        answer: Called with a claim; gives the verdict.

    Attributes:
        address: Where it can be asked.

    Raises:
        OSError: It cannot listen there.
    """

    def __init__(
        self, host: str, token: bytes, answer: Callable[[Claim], Verdict]
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._loop = asyncio.get_running_loop()
        self._socket = socket.create_server((host, 0), family=family)
        self._socket.settimeout(0)
        self._token = token
        self._answer = answer
        self._askers: list[_Asker] = []
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # it has gone again
            return
        if len(self._askers) == MAX_QUESTIONS:
            self._askers.pop(0).link.close()
        asker = _Asker(self, SocketLink(connection))
        self._askers.append(asker)
        asker.link.start(asker)

    def judge(self, question: bytes) -> Verdict | None:
        """Return the verdict, or ``None`` for what is no question of ours."""
        claim = question[-1]
        if question[:-1] != QUESTION + self._token or claim not in {*Claim}:
            return None
        return self._answer(Claim(claim))

    def forget(self, asker: "_Asker") -> None:
        """Be done with a question."""
        with contextlib.suppress(ValueError):  # it has made room for another
            self._askers.remove(asker)

    def close(self) -> None:
        """Answer no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        for asker in self._askers:
            asker.link.close()
        self._askers.clear()


class _Asker:
    """A connection to a witness, at the witness's end."""

    def __init__(self, witness: Witness, link: SocketLink) -> None:
        self.link = link
        self._witness = witness
        self._question = b""

    def link_opened(self) -> None:
        """Wait for the question."""

    def link_received(self, data: bytes) -> None:
        """Answer once the question is whole."""
        self._question += data
        if len(self._question) < _QUESTION_SIZE:
            return
        verdict = None
        if len(self._question) == _QUESTION_SIZE:
            verdict = self._witness.judge(self._question)
        if verdict is not None:
            self.link.write(ANSWER + bytes([verdict]))
        self.link.finish()
        self._question = b""

    def link_drained(self) -> None:
        """Nothing follows an answer."""

    def link_finished(self) -> None:
        """Be done."""
        self._witness.forget(self)

    def link_broken(self, reason: str) -> None:  # noqa: ARG002 - they may ask again
        """Be done."""
        self._witness.forget(self)


class Inquiry:
    """Ask a witness once.

    Args:
        address: Of the witness.
        token: Of the migration.
        claim: What we say of ourselves.
        clock: To wait with.
        on_verdict: Called once with the verdict.
    """

    def __init__(
        self,
        address: tuple[str, int],
        token: bytes,
        claim: Claim,
        *,
        clock: Clock,
        on_verdict: Callable[[Verdict], None],
    ) -> None:
        self._on_verdict: Callable[[Verdict], None] | None = on_verdict
        self._question = QUESTION + token + bytes([claim])
        self._answer = b""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._link = SocketLink(
            socket.socket(family, socket.SOCK_STREAM), (address[0], address[1])
        )
        self._timer: Timer = clock.call_later(
            ANSWER_LIMIT, lambda: self._end(Verdict.SILENT)
        )
        self._link.start(self)

    def link_opened(self) -> None:
        """Ask."""
        self._link.write(self._question)

    def link_received(self, data: bytes) -> None:
        """Take the answer."""
        self._answer += data
        if len(self._answer) < _ANSWER_SIZE:
            return
        verdict = self._answer[-1]
        if self._answer[:-1] != ANSWER or verdict > Verdict.YOURS:
            self._end(Verdict.SILENT)  # it is somebody else's port now, perhaps
        else:
            self._end(Verdict(verdict))

    def link_drained(self) -> None:
        """Wait for the answer."""

    def link_finished(self) -> None:
        """Nothing: the link is not finished from this side."""

    def link_broken(self, reason: str) -> None:  # noqa: ARG002 - or it proves nothing
        """Tell apart that nobody is there from that nobody answers."""
        self._end(Verdict.DEAD if self._link.is_refused else Verdict.SILENT)

    def cancel(self) -> None:
        """Do not want to know any more."""
        self._on_verdict = None
        self._timer.cancel()
        self._link.close()

    def _end(self, verdict: Verdict) -> None:
        on_verdict = self._on_verdict
        self.cancel()
        if on_verdict is not None:
            on_verdict(verdict)
