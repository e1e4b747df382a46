"""Test code that drives machines, without a machine: with pytest, or by itself.

The code under test is `power_off`, such as every orchestrator has: it asks the guest
politely, waits for some time, and then pulls the plug. Its tests serve monitors that
behave, that refuse, and that never answer, over a real socket in the same process.
"""

# ruff: noqa: S101 - assert is how a test speaks

import asyncio
import tempfile
from collections.abc import Callable
from typing import Any

import qmpx
from qmpx.errors import GenericError

# The code under test: blocking, and not aware of any test.


def power_off(vm: qmpx.Client, *, patience: float) -> str:
    """Switch a machine off; tell how that was done."""
    with vm.events("SHUTDOWN") as events:
        try:
            vm.execute("system_powerdown", timeout=patience)
            events.get(timeout=patience)
        except qmpx.CommandError as error:
            outcome = f"refused ({error.desc})"
        except qmpx.DeadlineExceeded:
            outcome = "no answer"
        else:
            return "the guest did it"
    try:
        vm.execute("quit", timeout=patience)
    except qmpx.DeadlineExceeded:
        return f"{outcome}, and it cannot be switched off"
    return f"{outcome}, so it was switched off"


# The tests. No machine is needed: these commands are all that `power_off` knows.


def outcome_with(
    react: Callable[[qmpx.Monitor], Any], *, patience: float = 10.0
) -> tuple[str, bool]:
    """Run `power_off` on a machine that reacts so to the power button.

    Returns:
        What it returned, and whether it pulled the plug.
    """
    monitor = qmpx.Monitor()
    quits: list[str] = []

    @monitor.command("system_powerdown")
    async def system_powerdown() -> None:
        answer = react(monitor)
        if answer is not None:
            await answer

    @monitor.command("quit")
    def quit_() -> None:
        quits.append("quit")

    def drive(address: str) -> str:
        with qmpx.connect(address) as vm:
            return power_off(vm, patience=patience)

    async def serve() -> str:
        with tempfile.TemporaryDirectory() as directory:
            address = f"{directory}/qmp.sock"
            async with monitor.serve(address) as server:
                try:
                    # What blocks runs in a thread; the loop goes on serving.
                    return await asyncio.to_thread(drive, address)
                finally:
                    await server.close(grace=0.0)  # also what still hangs

    return asyncio.run(serve()), bool(quits)


def test_a_guest_that_obeys_is_not_switched_off() -> None:
    """The guest says that it has shut down."""
    shutdown = {"guest": True, "reason": "guest-shutdown"}
    outcome = outcome_with(lambda monitor: monitor.emit("SHUTDOWN", shutdown))
    assert outcome == ("the guest did it", False)


def test_a_guest_that_does_nothing_is_switched_off() -> None:
    """The command succeeds, and no event follows."""
    outcome = outcome_with(lambda _: None, patience=0.5)
    assert outcome == ("no answer, so it was switched off", True)


def test_a_refusal_is_told_and_the_machine_switched_off() -> None:
    """The monitor replies with an error."""

    def refuse(_: qmpx.Monitor) -> None:
        raise GenericError("there is no power button")

    outcome = outcome_with(refuse)
    assert outcome == (
        "refused (there is no power button), so it was switched off",
        True,
    )


def test_a_command_that_hangs_does_not_hang_its_caller() -> None:
    """No reply in time; and the commands behind that one wait with it."""
    outcome = outcome_with(lambda _: asyncio.sleep(3600), patience=0.1)
    assert outcome == ("no answer, and it cannot be switched off", False)


def main() -> None:
    """Run the tests without pytest."""
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("passed:", name)


if __name__ == "__main__":
    main()
