"""A machine, and what a person and a program hear of it, in one loop."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from qmpx.dialects.v2010 import v2010_monitor
from qmpx.monitor.frontend import Frontend, Mode
from qmpx.monitor.human.oneline import run_line
from tests.loops import run_on, short_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qmpx.machine import Machine


def say(machine: Machine, *lines: str) -> str:
    """Return what a person reads who types these lines on one monitor."""
    monitor = v2010_monitor(machine)
    frontend = Frontend(Mode.READLINE)

    async def main() -> str:
        texts = [await run_line(monitor, line, frontend=frontend) for line in lines]
        return "".join(texts)

    text = run_on("asyncio", main())
    assert "\n" not in text.replace("\r\n", "")
    return text.replace("\r\n", "\n")


def ask(machine: Machine, *commands: tuple[str, dict[str, Any]]) -> list[Any]:
    """Return what a program reads: ``return``, or ``error``, or an event's name."""
    return run_on("asyncio", _ask(machine, commands))


@asynccontextmanager
async def asking(
    machine: Machine,
) -> AsyncIterator[tuple[Callable[..., None], Callable[[], Awaitable[Any]]]]:
    """Give a function that sends a command as it is, and one that reads a message.

    The session has negotiated ``async``.
    """
    monitor = v2010_monitor(machine, offers_async=True)
    with short_directory() as directory:
        async with monitor.serve(directory / "qmp"):
            reader, writer = await asyncio.open_unix_connection(f"{directory}/qmp")

            def send(**message: Any) -> None:
                writer.write(json.dumps(message).encode())

            async def read() -> Any:
                message = json.loads(await reader.readline())
                message.pop("timestamp", None)
                return message

            await read()
            send(execute="qmp_capabilities", arguments={"enable": ["async"]})
            assert await read() == {"return": {}}
            yield send, read
            writer.close()
            await writer.wait_closed()


async def _ask(
    machine: Machine, commands: tuple[tuple[str, dict[str, Any]], ...]
) -> list[Any]:
    heard: list[Any] = []
    with short_directory() as directory:
        path = directory / "qmp"
        async with v2010_monitor(machine).serve(path):
            reader, writer = await asyncio.open_unix_connection(str(path))
            await reader.readline()
            for name, arguments in (("qmp_capabilities", {}), *commands):
                message = {"execute": name, "arguments": arguments}
                writer.write(json.dumps(message).encode())
                while "event" in (reply := json.loads(await reader.readline())):
                    heard.append(reply["event"])
                heard.append(reply["return"] if "return" in reply else reply["error"])
            writer.close()
            await writer.wait_closed()
    return heard[1:]
