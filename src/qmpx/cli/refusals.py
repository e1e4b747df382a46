"""What to do about a command that a gateway's rules do not allow."""

import re
from typing import Final

from qmpx.errors import CommandError, QmpxError

REFUSED = 5  # the exit status where rules, and not the monitor, said no

_REFUSAL: Final = re.compile(
    r"The role (?P<role>\S+) does not allow .+ here: (?P<why>.*)"
)
_PASSING: Final = "others may only read"


def what_to_do(error: QmpxError) -> str:
    """Return what somebody can do whom a gateway's rules refused.

    Args:
        error: What went wrong.

    Returns:
        A line; empty if this was no refusal of a gateway.
    """
    if not isinstance(error, CommandError):
        return ""
    match = _REFUSAL.match(error.desc)
    if match is None:
        return ""
    if _PASSING in match["why"]:
        return "try again when the lease is over"
    return (
        f"query-commands lists what the role {match['role']} allows; "
        "whoever runs the gateway can give another"
    )
