"""The channel of an asyncio client: plain, or in TLS where its address says so."""

import asyncio
import socket

from qmpx.errors import QmpxError
from qmpx.transport.address import Address, TlsAddress
from qmpx.transport.channel import Channel, Receiver


def channel_over(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    receiver: Receiver,
    address: Address,
    timeout: float,
) -> Channel:
    """Return the channel over a connection; it reads nothing yet.

    Args:
        loop: The loop that it is served on.
        sock: The connection, which it takes over.
        receiver: Whom to tell.
        address: Where the connection goes.
        timeout: Seconds for what opens a conversation in TLS.

    Raises:
        ConnectError: A certificate or a key cannot be read.
    """
    if not isinstance(address, TlsAddress):
        return Channel(loop, sock, receiver)
    from qmpx.transport.tls import TlsChannel  # few need it, and it is not free
    from qmpx.transport.tls_client import client_context

    try:
        context = client_context(address)
    except BaseException:
        sock.close()
        raise
    return TlsChannel(
        loop,
        sock,
        receiver,
        context,
        TlsChannel.resume_reading,
        timeout=timeout,
        server_name=address.server_name,
    )


def handshake_failure(channel: Channel, address: Address) -> QmpxError | None:
    """Return why there is no conversation in TLS; ``None``: it is none, or is open."""
    if not isinstance(address, TlsAddress):
        return None
    from qmpx.transport.tls import TlsChannel
    from qmpx.transport.tls_client import failed_handshake

    if not isinstance(channel, TlsChannel) or channel.is_open:
        return None
    return failed_handshake(address, channel.failure)
