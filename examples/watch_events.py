"""Watch events: patterns, several subscribers, and what happens when one is slow.

A subscription begins at the call of `events`, not when it is first read, and keeps what
comes until it is taken, up to its limit. What happens beyond is chosen by its policy.
"""

import asyncio
import tempfile

import qmpx
from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine


async def print_all(events: qmpx.AsyncSubscription) -> None:
    """Print events until the subscription is closed."""
    async for event in events:
        print(f"{event.name}: {event.data}")


async def main() -> None:
    """Serve a machine, make things happen to it, and watch."""
    machine = Machine("watched", is_started=True)
    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/qmp.sock"
        async with (
            modern_monitor(machine).serve(address),
            qmpx.connect_async(address) as vm,
        ):
            everything = vm.events()
            runs = vm.events("STOP", "RESUME")
            hasty = vm.events(limit=1, overflow="drop-newest")
            strict = vm.events("RES*", limit=1, overflow="error")
            printer = asyncio.create_task(print_all(everything))

            await vm.execute("stop")
            await vm.execute("cont")
            await vm.execute("system_reset")

            print("first run event:", (await runs.get(timeout=5.0)).name)
            print("second run event:", (await runs.get(timeout=5.0)).name)

            kept = await hasty.get(timeout=5.0)
            print(f"hasty kept {kept.name}, dropped {hasty.dropped}")

            await strict.get(timeout=5.0)  # RESUME; there was no room for RESET
            try:
                await strict.get(timeout=5.0)
            except qmpx.EventsLost as error:
                print(f"strict was told: {error.dropped} lost")

            everything.close()  # ends the iteration
            await printer


if __name__ == "__main__":
    asyncio.run(main())
