"""Steps played without a client: what each asks for, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qmpx.client.events import Event
from qmpx.client.steps import Next, Pause, Run, Subscribe
from qmpx.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

Move = tuple[str, Any]


class Play:
    """A peer that answers by a script: pairs of what is asked and the answer.

    What is asked is a command's name, ``event`` or ``pause``; an answer that is an
    exception is thrown. Subscribing and looking for old events (`Next(0)`) need no
    move: old events are those in `old`.
    """

    def __init__(self, *moves: Move) -> None:
        self._moves = list(moves)
        self.asked: list[Run] = []
        self.names: tuple[str, ...] = ()
        self.old: list[Event] = []

    def run(self, steps: Generator[Any, Any, Any]) -> Any:
        """Play to the end; return what the steps return."""
        try:
            step = next(steps)
            while True:
                answer = self._answer(step)
                if isinstance(answer, BaseException):
                    step = steps.throw(answer)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value

    def _answer(self, step: Any) -> Any:
        match step:
            case Subscribe(names):
                self.names = names
                return None
            case Next(0):
                return self.old.pop(0) if self.old else None
            case Next():
                kind = "event"
            case Pause():
                kind = "pause"
            case Run(name):
                self.asked.append(step)
                kind = name
        expected, answer = self._moves.pop(0)
        assert expected == kind, f"{step} was asked for instead of {expected}"
        if isinstance(answer, _Meanwhile):
            self.old += answer.events
            return answer.value
        return answer

    @property
    def is_over(self) -> bool:
        """Whether every move was made."""
        return not self._moves


class _Meanwhile:
    def __init__(self, value: Any, events: Sequence[Event]) -> None:
        self.value = value
        self.events = events


def after(value: Any, *events: Event) -> Any:
    """Return an answer that comes after events which nobody has read yet."""
    return _Meanwhile(value, events)


def event(name: str, **data: Any) -> Event:
    """Return an event."""
    return Event(name, data)


def status(job: str, value: str) -> Event:
    """Return the event of a job that has changed its state."""
    return Event("JOB_STATUS_CHANGE", {"id": job, "status": value})


def refused(text: str, kind: str = "GenericError") -> CommandError:
    """Return the error of a peer that says no."""
    return CommandError.from_reply(kind, text, {}, "x")
