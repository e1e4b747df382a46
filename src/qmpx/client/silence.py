"""What to say of a monitor that does not greet."""

import socket

from qmpx.errors import GreetingTimeout
from qmpx.transport.address import Address


def explain_silence(
    address: Address, sock: socket.socket, timeout: float
) -> GreetingTimeout:
    """Return the error for a monitor that took the connection and said nothing.

    Args:
        address: Where it is.
        sock: The connection to it, still open.
        timeout: How long it was waited for, in seconds.
    """
    # Imported when needed: it looks through all processes of the system.
    from qmpx.transport import diagnosis
    from qmpx.transport.holders import peer

    reason, hint = diagnosis.explain_silence(address, server=peer(sock))
    return GreetingTimeout(str(address), f"{reason} (waited {timeout:g} s)", hint)
