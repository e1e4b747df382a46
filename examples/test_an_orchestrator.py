"""Test code that drives machines, without a machine: with pytest, or by itself.

The code under test is `power_off`, such as every orchestrator has: it asks the guest
politely, waits for some time, and then pulls the plug. Its tests serve monitors that
obey, that refuse and that never answer, over a real socket. They block, as the code
does: the monitor runs in a thread of its own.
"""

# ruff: noqa: S101 - assert is how a test speaks

import asyncio
import tempfile

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
        except qmpx.DeadlineExceeded as error:
            outcome = str(error)
        else:
            return "the guest did it"
    try:
        vm.execute("quit", timeout=patience)
    except qmpx.DeadlineExceeded:
        return f"{outcome}; it cannot be switched off"
    return f"{outcome}; it was switched off"


# The tests. No machine is needed: two commands are all that `power_off` knows.


def outcome_with(monitor: qmpx.Monitor, *, patience: float = 10.0) -> tuple[str, bool]:
    """Run `power_off` on a monitor that knows what its power button does.

    Returns:
        What it returned, and whether it pulled the plug.
    """
    quits: list[str] = []

    @monitor.command("quit")
    def quit_() -> None:
        quits.append("quit")

    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/qmp.sock"
        # No grace: a command that still hangs in the end is not waited for.
        with (
            monitor.serve_in_thread(address, grace=0.0),
            qmpx.connect(address) as vm,
        ):
            return power_off(vm, patience=patience), bool(quits)


def test_a_guest_that_obeys_is_not_switched_off() -> None:
    """The guest says that it has shut down."""
    monitor = qmpx.Monitor()

    @monitor.command("system_powerdown")
    def obey() -> None:
        monitor.emit("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})

    assert outcome_with(monitor) == ("the guest did it", False)


def test_a_guest_that_does_nothing_is_switched_off() -> None:
    """The command succeeds, and no event follows."""
    monitor = qmpx.Monitor()

    @monitor.command("system_powerdown")
    def do_nothing() -> None:
        pass

    assert outcome_with(monitor, patience=0.5) == (
        "no event within 0.5 s; it was switched off",
        True,
    )


def test_a_refusal_is_told_and_the_machine_switched_off() -> None:
    """The monitor replies with an error."""
    monitor = qmpx.Monitor()

    @monitor.command("system_powerdown")
    def refuse() -> None:
        message = "there is no power button"
        raise GenericError(message)

    assert outcome_with(monitor) == (
        "refused (there is no power button); it was switched off",
        True,
    )


def test_a_command_that_hangs_does_not_hang_its_caller() -> None:
    """No reply in time; and the commands behind that one wait with it."""
    monitor = qmpx.Monitor()

    @monitor.command("system_powerdown")
    async def hang() -> None:
        await asyncio.sleep(3600)

    assert outcome_with(monitor, patience=0.1) == (
        "no reply to 'system_powerdown' within 0.1 s; it cannot be switched off",
        False,
    )


def main() -> None:
    """Run the tests without pytest."""
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("passed:", name)


if __name__ == "__main__":
    main()
