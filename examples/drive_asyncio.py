"""Drive several machines at once with the asyncio client.

Starts three servers, each with its own machine, on the loop that the clients use, and
shows what asyncio is good for here: many conversations, many commands in flight in one
conversation, and a deadline that leaves the conversation in step.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack

import qmpx
from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine


async def stop_all(machines: list[qmpx.AsyncClient]) -> None:
    """Stop every machine; each reply is waited for on its own."""
    async with asyncio.TaskGroup() as tasks:
        for vm in machines:
            tasks.create_task(vm.execute("stop"))


async def describe(vm: qmpx.AsyncClient) -> str:
    """Ask two things at once: both commands are in flight together."""
    name, status = await asyncio.gather(
        vm.execute("query-name"), vm.execute("query-status")
    )
    return f"{name['name']} is {status['status']}"


async def main() -> None:
    """Serve three machines, and drive them."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        clients: list[qmpx.AsyncClient] = []
        for name in ("alpha", "beta", "gamma"):
            address = f"{directory}/{name}.sock"
            monitor = modern_monitor(Machine(name, is_started=True))
            add_slow_command(monitor)
            await stack.enter_async_context(monitor.serve(address))
            clients.append(await stack.enter_async_context(qmpx.connect_async(address)))

        await stop_all(clients)
        for line in await asyncio.gather(*map(describe, clients)):
            print(line)

        vm = clients[0]
        try:
            await vm.execute("x-slow", timeout=0.05)
        except qmpx.DeadlineExceeded as error:
            print("deadline:", error)
        # The reply that came too late is dropped; it is nobody else's answer.
        print("next:", await describe(vm), "- late replies:", vm.late_replies)


def add_slow_command(monitor: qmpx.Monitor) -> None:
    """Declare a command that takes longer than its caller wants to wait."""

    @monitor.command("x-slow")
    async def slow(_: Machine) -> None:
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
