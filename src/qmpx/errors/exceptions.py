"""The exceptions of the package: one tree, split by whose fault it was.

::

    QmpxError
    ├── AddressError          the text is no address (also a ValueError)
    ├── LocalProtocolError    we, or the code that calls us, broke the rules
    ├── RemoteProtocolError   the peer broke the rules
    ├── ConnectError          there is no conversation to be had at this address
    │   ├── GreetingTimeout   somebody listens, but says nothing
    │   └── LaunchError       the program that was to have the monitor did not start
    ├── ConnectionLost        there was a conversation, and it broke off
    ├── DeadlineExceeded      no reply in time (also a TimeoutError)
    ├── EventsLost            a subscriber was too slow, and asked to be told
    ├── OperationFailed       what was begun did not come to a good end
    ├── SchemaError           a QAPI schema, or what introspection tells, is not valid
    └── CommandError          the peer understood, and said no: see `catalogue`

Each class states the status with which the ``qmpx`` command exits when it ends it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import ClassVar


class QmpxError(Exception):
    """Everything that qmpx raises on purpose."""

    exit_status: ClassVar[int] = 1
    """What ``qmpx`` exits with when this error ends it."""


class AddressError(QmpxError, ValueError):
    """A text is no address of a monitor, or names one that cannot be used."""

    exit_status = 2


class LocalProtocolError(QmpxError):
    """The calling code asked for what the protocol does not allow."""

    exit_status = 2


class RemoteProtocolError(QmpxError):
    """The peer sent what the protocol does not allow; the connection is closed."""

    exit_status = 6


class ConnectError(QmpxError):
    """No conversation could be opened.

    Args:
        address: Where it was tried, as text.
        reason: What happened.
        hint: What to do about it; may be empty.
    """

    exit_status = 3

    def __init__(self, address: str, reason: str, hint: str = "") -> None:
        super().__init__(address, reason, hint)
        self.address = address
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = f"cannot talk to {self.address}: {self.reason}"
        return f"{text}\n{self.hint}" if self.hint else text


class GreetingTimeout(ConnectError):
    """The connection stands, but no greeting came before the deadline.

    QEMU serves one client per monitor and lets the next wait without a word, so the
    usual cause is another client; `reason` names it where it can be found out.
    """


class LaunchError(ConnectError):
    """A program was started to be talked to, and it came to nothing.

    Args:
        address: The program.
        reason: What happened.
        hint: What it said on its standard error, the end of it.
        status: What it exited with: negative for a signal, ``None`` if it did not
            start, or had to be ended because it did not answer.
    """

    def __init__(
        self, address: str, reason: str, hint: str = "", status: int | None = None
    ) -> None:
        super().__init__(address, reason, hint)
        self.args = (address, reason, hint, status)
        self.status = status

    def __str__(self) -> str:
        return super().__str__().replace("cannot talk to", "cannot launch", 1)


class ConnectionLost(QmpxError):
    """The conversation broke off; every call that waited got one of these.

    A command that was sent may or may not have been carried out.
    """

    exit_status = 6


class DeadlineExceeded(QmpxError, TimeoutError):
    """No reply came in time.

    The connection stays usable: the late reply, should it come, is recognised by its
    ``id`` and dropped. The command may still be carried out.

    Args:
        command: The command that was not answered; empty if it was something else that
            was waited for.
        timeout: How long it was waited for, in seconds.
        awaited: What was waited for, if no reply.
    """

    exit_status = 4

    def __init__(self, command: str, timeout: float, awaited: str = "") -> None:
        super().__init__(command, timeout, awaited)
        self.command = command
        self.timeout = timeout
        self.awaited = awaited

    def __str__(self) -> str:
        awaited = self.awaited or f"reply to {self.command!r}"
        return f"no {awaited} within {self.timeout:g} s"


class EventsLost(QmpxError):
    """Events came faster than this subscriber took them, and some were dropped.

    Args:
        dropped: How many.
    """

    def __init__(self, dropped: int) -> None:
        super().__init__(dropped)
        self.dropped = dropped

    def __str__(self) -> str:
        return (
            f"{self.dropped} events were dropped because this subscription's buffer "
            "was full: read it faster, narrow its patterns or raise its limit"
        )


class OperationFailed(QmpxError):
    """Something that takes a while was begun, and did not come to a good end.

    The peer accepted the command; what follows here was told by an event, by a query
    or in a text for people.

    Args:
        operation: What was to be done, such as ``"job 'backup0'"``.
        reason: What went wrong, in the peer's words where there are any.
    """

    def __init__(self, operation: str, reason: str) -> None:
        super().__init__(operation, reason)
        self.operation = operation
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.operation} failed: {self.reason}"


class SchemaError(QmpxError):
    """A QAPI schema is not valid.

    Its text is laid out as that of QEMU's own generator.

    Args:
        message: What is wrong.
        file: The path of the file, as it was opened; empty if it is in no file.
        line: The line, from 1.
        column: The column, from 1; only what concerns the text itself has one.
        definition: What the file defines there, such as ``struct 'Drive'``.
        includes: The places (``FILE:LINE``) of the directives that led to this file,
            outermost first.
        previous: Where the same name was defined before.
    """

    def __init__(
        self,
        message: str,
        file: str = "",
        line: int | None = None,
        column: int | None = None,
        *,
        definition: str = "",
        includes: tuple[str, ...] = (),
        previous: SchemaError | None = None,
    ) -> None:
        super().__init__(message, file, line, column)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.definition = definition
        self.includes = includes
        self.previous = previous

    def __str__(self) -> str:
        lines = [f"In file included from {place}:" for place in self.includes]
        if self.definition:
            lines.append(f"{self.file}: In {self.definition}:")
        numbers = (n for n in (self.line, self.column) if n is not None)
        place = ":".join([self.file, *map(str, numbers)]) if self.file else ""
        lines.append(f"{place}: {self.message}" if place else self.message)
        if self.previous is not None:
            lines.append(str(self.previous))
        return "\n".join(lines)
