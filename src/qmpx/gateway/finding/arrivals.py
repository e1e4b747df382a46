"""QEMUs that connect to the gateway: ``-qmp unix:...,server=off,reconnect=1``.

Who comes has no address of its own. So each is asked for its name and its UUID before
anything is passed through; whoever calls itself as another that is away takes its
place, and that one's clients go on with it.

Source: QEMU 7.2, observed: a monitor greets whoever it is connected to, also where it
is the one that connects; with ``reconnect=`` it tries again when that is lost.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import msgspec
from msgspec import UNSET

from qmpx.errors import QmpxError, RemoteProtocolError
from qmpx.gateway.finding.callers import Caller, PlainCaller, Security, TlsCaller
from qmpx.gateway.host.visitors import Visitors
from qmpx.gateway.settings.upstreams import name_of_caller
from qmpx.gateway.upstreams.link import Link
from qmpx.gateway.upstreams.passing import UpstreamMessage, decode
from qmpx.transport.address import ListenAddress
from qmpx.transport.listener import Listener
from qmpx.wire.client import MessageReader
from qmpx.wire.server import OOB

MAX_STRANGERS: Final = 64
"""QEMUs of one address that have not said their names yet. Further ones wait in the
kernel's queue: each takes some milliseconds, unless it is stuck."""

MAX_SAID: Final = 1024
"""Messages of a QEMU until its name is known: three replies, and as many events as a
client may have unread."""

_QUESTIONS: Final = (b"query-name", b"query-uuid")

logger = logging.getLogger("qmpx.gateway")


class Arrived(Protocol):
    """Told of each QEMU that has said its name."""

    def __call__(self, name: str, link: Link) -> bool:
        """Take it in; tell whether there is room for it."""


class Arrivals:
    """One address that QEMUs connect to.

    Args:
        address: Where.
        template: What they are called; see `name_of_caller`.
        arrived: Takes those in that have said their names.
        security: Who may connect, by TLS; ``None``: whoever can.
        timeout: Seconds for handshake, greeting, negotiation and name together.
        allow_remote: Whether a TCP address that others can reach is in order.

    Attributes:
        security: The same; set anew it is for those who come from then on.

    Raises:
        AddressError: It cannot be listened on, and why.
    """

    def __init__(
        self,
        address: ListenAddress,
        template: str,
        arrived: Arrived,
        *,
        timeout: float,
        security: Security | None = None,
        allow_remote: bool = False,
    ) -> None:
        self.security = security
        self._template = template
        self._arrived = arrived
        self._timeout = timeout
        self._visitors = Visitors(self._meet)
        self._refused: set[str] = set()  # said once
        self._listener = Listener(
            asyncio.get_running_loop(),
            address,
            self._visitors.accept,
            max_sessions=MAX_STRANGERS,
            allow_remote=allow_remote,
        )

    @property
    def address(self) -> ListenAddress:
        """Where they connect to, the port filled in."""
        return self._listener.address

    def start(self) -> None:
        """Take them in from now on."""
        self._listener.start()

    async def close(self) -> None:
        """Take in no more; those that have said their names stay."""
        self._listener.close()
        await self._visitors.close()

    async def _meet(self, sock: socket.socket) -> None:
        security = self.security
        caller: Caller
        if security is None:
            caller = PlainCaller(sock)
        else:
            caller = TlsCaller(sock, security.context)
        try:
            async with asyncio.timeout(self._timeout):
                certificate = ""
                if security is not None:
                    certificate = security.name_of(await caller.known())
                link, vm, uuid = await introduce(caller)
            name = name_of_caller(self._template, vm, uuid, certificate)
        except (QmpxError, OSError) as error:  # TimeoutError is one
            caller.close()
            reason = (
                str(error) or f"it did not say who it is within {self._timeout:g} s"
            )
            logger.warning("a QEMU that connected was turned away: %s", reason)
            return
        except BaseException:
            caller.close()
            raise
        if self._arrived(name, link):
            self._refused.discard(name)
            return
        link.close()
        if name not in self._refused:
            # Once: with reconnect=1 it comes every second.
            self._refused.add(name)
            logger.warning("another %r has connected, and was turned away", name)


async def introduce(caller: Caller) -> tuple[Link, str, str]:
    """Ask a QEMU who it is, and return the conversation, its name and its UUID.

    Args:
        caller: It; still to be closed if it fails.

    Raises:
        RemoteProtocolError: It is no monitor, or refuses to talk.
        OSError: The connection is lost.
    """
    reader, messages = MessageReader(decode=decode), list[UpstreamMessage]()

    async def hear(wanted: Callable[[UpstreamMessage], bool]) -> UpstreamMessage:
        said = 0
        while True:
            for index, message in enumerate(messages):
                if wanted(message):
                    return messages.pop(index)
            said = len(messages)
            if said > MAX_SAID:
                error = f"it said {said} other things before it said who it is"
                raise RemoteProtocolError(error)
            data = await caller.receive()
            if not data:
                error = "it closed the connection before it said who it is"
                raise RemoteProtocolError(error)
            messages.extend(cast("list[UpstreamMessage]", reader.receive(data)))

    async def ask(command: bytes, arguments: bytes = b"") -> UpstreamMessage:
        id_ = f"x-qmpx-{command.decode()}"
        text = b'{"execute":"%b"%b,"id":"%b"}\n' % (command, arguments, id_.encode())
        await caller.send(text)
        return await hear(lambda message: message.id == id_)

    greeting = (await hear(lambda message: message.greeting is not UNSET)).greeting
    if greeting is UNSET:
        error = "it did not greet"
        raise RemoteProtocolError(error)
    has_oob = OOB in greeting.capabilities
    enable = b',"arguments":{"enable":["oob"]}' if has_oob else b""
    reply = await ask(b"qmp_capabilities", enable)
    if reply.error is not UNSET:
        error = f"it refused the negotiation: {bytes(reply.error).decode()}"
        raise RemoteProtocolError(error)
    vm, uuid = [_text(await ask(each)) for each in _QUESTIONS]
    link = caller.link()
    link.greeting, link.reader, link.messages = greeting, reader, messages
    return link, vm, uuid


def _text(reply: UpstreamMessage) -> str:
    """Return the name or the UUID in a reply; empty if it has none, or is an error."""
    if reply.returned is UNSET:
        return ""
    value: Any = msgspec.json.decode(reply.returned)
    if not isinstance(value, dict):
        return ""
    text = value.get("name") or value.get("UUID") or ""
    return text if isinstance(text, str) else ""
