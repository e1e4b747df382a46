"""What was decided about a command, and why. Pure."""

from typing import Final, Literal

from msgspec import Struct

from qmpx.gateway.policy.named import Named


class Decision(Struct, frozen=True):
    """Whether a client may run a command.

    Attributes:
        verdict: Whether it may.
        rule: Which rule of which role says so, such as ``role read: rule 2``, or
            ``default``.
        reason: Why, in words for the client and for the log.
        named: What is to be looked at on the host, if it is allowed for the rest;
            ``None``: nothing.
    """

    verdict: Literal["allow", "deny"]
    rule: str
    reason: str
    named: Named | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the client may run it."""
        return self.verdict == "allow"


UNRESTRICTED: Final = Decision("allow", "default", "no policy is set")
"""What is decided where there is no policy."""
