"""The pytest plugin: fixtures for those who test code that drives machines.

It is found by itself where qmpx is installed. It imports nothing until a fixture is
used.

``qmpx_machine``
    A machine, served on a unix socket by a thread; a new one for each test.
``qmpx_clock``
    Its time, which passes only when the test says so.
``qmpx_faults``
    What goes wrong between it and its clients.
``qmpx_standin``
    Starts the program that stands in for ``qemu-system-x86_64``.

``@pytest.mark.qmpx(...)`` says which machine: the arguments of `ServedMachine`, with
``scenario`` as a path relative to the test's file.
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmpx.testing.process import MakeStandIn, StandIn
    from qmpx.testing.served import ServedMachine, TestClock, TestFaults

_MARKER = (
    "qmpx(dialect=..., clock=..., name=..., paused=..., scenario=..., "
    "max_sessions=...): which machine the fixture qmpx_machine gives"
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def qmpx_machine(request: pytest.FixtureRequest) -> "Iterator[ServedMachine]":
    """Serve a machine on a unix socket: a `qmpx.testing.ServedMachine`."""
    import inspect

    from qmpx.testing.served import ServedMachine

    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("qmpx"))):
        options |= marker.kwargs
    known = inspect.signature(ServedMachine).parameters
    for name in options:
        if name not in known:
            message = (
                f"@pytest.mark.qmpx has no {name!r}: expected one of {', '.join(known)}"
            )
            pytest.fail(message, pytrace=False)
    if isinstance(options.get("scenario"), str):
        from qmpx.standin.faults.scenario import read_scenario

        options["scenario"] = read_scenario(request.path.parent / options["scenario"])
    with ServedMachine(**options) as machine:
        yield machine


@pytest.fixture
def qmpx_clock(qmpx_machine: "ServedMachine") -> "TestClock":
    """Give the time of `qmpx_machine`: a `qmpx.testing.TestClock`."""
    return qmpx_machine.clock


@pytest.fixture
def qmpx_faults(qmpx_machine: "ServedMachine") -> "TestFaults":
    """Give the faults of `qmpx_machine`: a `qmpx.testing.TestFaults`."""
    return qmpx_machine.faults


@pytest.fixture
def qmpx_standin() -> "Iterator[MakeStandIn]":
    """Start stand-ins: ``qmpx_standin("-m", "64", clock="virtual")``.

    Each is a `qmpx.testing.StandIn`, and ends with the test.
    """
    import contextlib

    from qmpx.testing.process import StandIn

    with contextlib.ExitStack() as stack:

        def start(*arguments: str, **options: str) -> "StandIn":
            return stack.enter_context(StandIn(arguments, options))

        yield start
