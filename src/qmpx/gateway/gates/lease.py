"""One lease: whose it is, for how long, and for which commands."""

import fnmatch
from typing import TYPE_CHECKING

from msgspec import Struct

from qmpx.gateway.host.times import stamp
from qmpx.gateway.sharing.client import Client

if TYPE_CHECKING:
    import asyncio


class LeaseInfo(Struct, rename="kebab", omit_defaults=True):
    """What is told of a lease.

    Attributes:
        holder: Who has it.
        client: The number of its connection.
        until: When it ends, by RFC 3339, in UTC.
        commands: Patterns of the commands that it is for; absent: all that change
            something.
    """

    holder: str
    client: int
    until: str
    commands: list[str] | None = None


class Lease:
    """A lease that is held, or waited for."""

    def __init__(
        self, client: Client, seconds: float, commands: list[str] | None
    ) -> None:
        self.client = client
        self.seconds = seconds
        self.commands = commands
        self.until = 0.0
        self.began: asyncio.Future[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.began is not None and self.began.cancelled()

    def covers(self, name: str) -> bool:
        """Whether a changing command of that name is for its holder alone."""
        commands = self.commands
        return commands is None or any(
            fnmatch.fnmatchcase(name, pattern) for pattern in commands
        )

    @property
    def info(self) -> LeaseInfo:
        """What is told of it."""
        client = self.client
        who = f"{client.identity.kind}:{client.identity.name}"
        return LeaseInfo(who, client.number, stamp(self.until), self.commands)
