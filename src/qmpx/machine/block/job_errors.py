"""What a job does about an error: which side it is of, and what the user wants then.

Source: QEMU 7.2.22, observed.
"""

import errno
from typing import Literal


def as_source_error(error: OSError) -> OSError:
    """Mark an error as one of the node that was read, and return it."""
    error.is_source = True  # type: ignore[attr-defined]
    return error


def is_source_error(error: OSError) -> bool:
    """Tell whether an error is one of the node that was read."""
    return getattr(error, "is_source", False)


def is_no_space(error: OSError) -> bool:
    """Tell whether an error says that there is no room."""
    return error.errno == errno.ENOSPC


def action(policy: str, error: OSError) -> Literal["report", "ignore", "stop"]:
    """Return what is to be done about an error.

    Args:
        policy: What the user wants: ``report``, ``ignore``, ``stop``, ``enospc`` (stop
            if there is no room, else report) or ``auto``, which is to report.
        error: The error.
    """
    match policy:
        case "ignore" | "stop":
            return policy
        case "enospc" if is_no_space(error):
            return "stop"
        case _:
            return "report"
