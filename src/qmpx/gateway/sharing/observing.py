"""What may stand beside a command's way, and what it is told.

All are called in the loop's thread, in the moment in which things happen, and must not
block. Each is set on a `SharedMonitor`, in the lists of these names.
"""

import logging
from typing import Any, Protocol

from msgspec import Raw, UnsetType

from qmpx.gateway.access.identity import Identity
from qmpx.gateway.policy import Decision
from qmpx.gateway.sharing.client import Client
from qmpx.monitor.deferred import Deferred

logger = logging.getLogger("qmpx.gateway")


class Observer(Protocol):
    """Is told what happens (`SharedMonitor.observers`)."""

    def connected(self, client: Client) -> None:
        """Note a client that has come; it may not have shown yet who it is."""

    def disconnected(self, client: Client, reason: str) -> None:
        """Note a client that has gone; the reason is empty if it went by itself."""

    def decided(
        self, client: Client, name: str, arguments: Raw | UnsetType, decision: Decision
    ) -> None:
        """Note that a command was refused, or that it goes on its way now.

        Raises:
            CommandError: The command must not run, for it cannot be noted. The client
                is told this error.
        """

    def answered(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,
        decision: Decision,
        outcome: str,
        seconds: float,
    ) -> None:
        """Note how a command ended that was let through.

        Args:
            client: Whose it was; it may have gone.
            name: The command.
            arguments: Its arguments.
            decision: Why it was let through.
            outcome: ``return``; the error's class; ``lost``: it was sent, and what
                became of it is not known; ``cancelled``: its client went before it
                was sent.
            seconds: From `decided` to now.
        """

    def event(
        self, sequence: int, name: str, data: Raw | UnsetType, message: bytes
    ) -> None:
        """Note an event of the monitor's, or one of our own, before any client has it.

        Args:
            sequence: Its number: one more than that of the one before.
            name: Its name.
            data: Its data, unread.
            message: The whole, encoded, with its time: as unrestricted clients get it.
        """

    def upstream_changed(self, state: str, reason: str) -> None:
        """Note that the monitor was found (``open``) or lost (``away``), and why."""


class Bystander:
    """An observer that does nothing: a beginning for those who care for little."""

    def connected(self, client: Client) -> None:
        """Do nothing."""

    def disconnected(self, client: Client, reason: str) -> None:
        """Do nothing."""

    def decided(
        self, client: Client, name: str, arguments: Raw | UnsetType, decision: Decision
    ) -> None:
        """Do nothing."""

    def answered(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,
        decision: Decision,
        outcome: str,
        seconds: float,
    ) -> None:
        """Do nothing."""

    def event(
        self, sequence: int, name: str, data: Raw | UnsetType, message: bytes
    ) -> None:
        """Do nothing."""

    def upstream_changed(self, state: str, reason: str) -> None:
        """Do nothing."""


class Observers(list[Observer]):
    """The observers of one monitor, in the order in which they are told."""

    @property
    def watch_commands(self) -> bool:
        """Whether one cares for commands, not just for clients or events."""
        return any(map(_watches_commands, self))

    def tell(self, method: str, *told: Any) -> None:
        """Call that method of each that has it; a defect of one is logged."""
        for observer in self:
            try:
                if hasattr(observer, method):
                    getattr(observer, method)(*told)
            except Exception:
                logger.exception("%s failed in %s", type(observer).__name__, method)


def _watches_commands(observer: Observer) -> bool:
    """Whether an observer does anything when it is told of a command."""
    kind = type(observer)
    told = getattr(kind, "decided", None), getattr(kind, "answered", None)
    return told != (Bystander.decided, Bystander.answered)


class Identified(Protocol):
    """Is told, too, who a client is that has shown it only now; observers may."""

    def identified(self, client: Client) -> None:
        """Note that a client has another identity and role than when it came."""


class Turning(Protocol):
    """Is told, too, who was not let in; observers may."""

    def turned_away(self, identity: Identity, listener: str, reason: str) -> None:
        """Note one who came, and never was a client.

        Args:
            identity: Who it is, as far as that was known.
            listener: Where it came.
            reason: Why it was not let in.
        """


class Gate(Protocol):
    """May refuse what the policy allows, or let it wait (`SharedMonitor.gates`)."""

    def check(
        self, client: Client, name: str, arguments: Raw | UnsetType
    ) -> Decision | Deferred | None:
        """Return ``None`` to let the command go on, or a refusal.

        A `Deferred` lets it wait: with its result, again one of the three, it goes on.
        """


class Answers(Protocol):
    """Knows what needs not be asked again (`SharedMonitor.answers`)."""

    def recall(self, name: str, arguments: Raw | UnsetType) -> bytes | None:
        """Return what the command would return, encoded, or ``None``."""

    def learn(self, name: str, arguments: Raw | UnsetType, value: bytes) -> None:
        """Note what the monitor returned."""
