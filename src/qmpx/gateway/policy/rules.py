"""The rules of a role, as they are written down. Pure."""

from typing import Literal

from msgspec import Struct

from qmpx.gateway.policy.conditions import Condition


class Rule(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Allows or refuses commands or events by name, some by their arguments.

    Attributes:
        verdict: What it says.
        command: The commands that it is about; exactly so spelled.
        event: The events that it is about.
        where: What must hold for the arguments, all of it; none: whatever they are.
        unchecked: Whether the arguments are not looked into beyond that.
        reason: What a client is told.

    Raises:
        ValueError: It is about nothing, or asks what cannot be had.
    """

    verdict: Literal["allow", "deny"]
    command: str | tuple[str, ...] = ()
    event: str | tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    unchecked: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not self.commands and not self.events:
            message = "a rule is about a command or an event: expected either"
            raise ValueError(message)
        if self.events and (self.where or self.unchecked):
            message = "a rule about events has neither where nor unchecked"
            raise ValueError(message)
        if self.verdict == "deny" and self.unchecked:
            message = "unchecked makes no sense in a rule that refuses"
            raise ValueError(message)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that it is about."""
        return (self.command,) if isinstance(self.command, str) else self.command

    @property
    def events(self) -> tuple[str, ...]:
        """The events that it is about."""
        return (self.event,) if isinstance(self.event, str) else self.event

    def holds(self, arguments: object) -> bool:
        """Whether all its conditions do."""
        to_allow = self.verdict == "allow"
        return all(each.holds(arguments, to_allow=to_allow) for each in self.where)
