"""The guest agent behind the face of a client, for ``qmpx shell -N``.

The agent greets nobody and negotiates nothing. It has no ``query-commands`` either, but
``guest-info`` lists what it can do.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from qmpx.agent.asynchronous import AsyncAgent
from qmpx.client.arguments import Arguments
from qmpx.client.deadlines import Timeout
from qmpx.client.recording import Watch
from qmpx.errors import CommandError, CommandNotFound, LocalProtocolError
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER
from qmpx.transport.address import Address


class AgentTalk:
    """A conversation with a guest agent.

    Args:
        address: Where it is.
        watch: Takes every message that a person caused, and its reply.
        options: Those of `AsyncAgent`.
    """

    def __init__(self, address: Address, watch: Watch, **options: Any) -> None:
        self._agent = AsyncAgent(address, **options)
        self._watch = watch

    @property
    def is_connected(self) -> bool:
        """Yes: the next command connects again if need be."""
        return True

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectError: There is no connection.
        """
        await self._agent.open()

    async def close(self) -> None:
        """Close the connection."""
        await self._agent.close()

    async def execute(
        self, name: str, arguments: Arguments = None, /, *, timeout: Timeout
    ) -> Any:
        """Run a command and return what it returned; see `AsyncAgent.execute`."""
        command = {"execute": name} | ({"arguments": arguments} if arguments else {})
        self._show(TO_SERVER, command)
        try:
            value = await self._agent.execute(name, arguments, timeout=timeout)
        except CommandError as error:
            told = {"class": type(error).__name__, "desc": error.desc}
            self._show(TO_CLIENT, {"error": told})
            raise
        # Some commands answer only if they fail.
        if value is not None:
            self._show(TO_CLIENT, {"return": value})
        return {} if value is None else value

    def _show(self, direction: str, message: dict[str, Any]) -> None:
        self._watch(direction, json.dumps(message).encode())

    async def execute_raw(self, name: str, *, timeout: Timeout) -> msgspec.Raw:
        """Tell what the agent can do, in the place of ``query-commands``.

        Raises:
            CommandNotFound: Something else was asked for.
        """
        if name != "query-commands":
            raise CommandNotFound(name=name)
        told = await self._agent.execute("guest-info", timeout=timeout)
        listed = told.get("supported_commands", [])
        names = [{"name": each["name"]} for each in listed if each.get("enabled")]
        return msgspec.Raw(msgspec.json.encode(names))

    async def exec_oob(self, name: str, *_: Any, **__: Any) -> Any:
        """Refuse: the agent does one thing at a time.

        Raises:
            LocalProtocolError: Always.
        """
        message = f"the guest agent runs nothing out of band, and not {name!r} either"
        raise LocalProtocolError(message)

    def events(self) -> "_NoEvents":
        """Return what yields nothing: agents tell of nothing by themselves."""
        return _NoEvents()


class _NoEvents:
    async def __aenter__(self) -> AsyncIterator[Any]:
        return _nothing()

    async def __aexit__(self, *exception: object) -> None:
        return None


async def _nothing() -> AsyncIterator[Any]:
    nothing: tuple[Any, ...] = ()
    for each in nothing:
        yield each
