"""The ways to run a command, and what a server has to offer for each."""

from collections.abc import Sequence
from typing import Final

from qmpx.errors import LocalProtocolError
from qmpx.wire.messages import Greeting

EXECUTE: Final = b"execute"
"""Runs a command behind those that wait."""

EXEC_OOB: Final = b"exec-oob"
"""Runs it ahead of them; needs the capability ``oob``."""

EXECUTE_ASYNC: Final = b"execute_async"
"""Runs it, and lets those behind go on; needs the capability ``async``."""

_NEEDS: Final = {
    EXEC_OOB: ("oob", "out-of-band execution"),
    EXECUTE_ASYNC: ("async", "asynchronous commands"),
}


def require_verb(verb: bytes, greeting: Greeting, capabilities: Sequence[str]) -> None:
    """Return if commands may be run so: what that needs is offered and enabled.

    Raises:
        LocalProtocolError: They may not.
    """
    capability, what = _NEEDS[verb]
    if capability not in greeting.capabilities:
        message = (
            f"this server does not offer {what}; it offers "
            f"{', '.join(map(str, greeting.capabilities)) or 'no capabilities'}"
        )
        raise LocalProtocolError(message)
    if capability not in capabilities:
        verb_ = "was" if capability == "oob" else "were"
        message = f"{what} {verb_} not enabled: add {capability!r} to capabilities"
        raise LocalProtocolError(message)
