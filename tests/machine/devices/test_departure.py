"""Waiting until a device has gone."""

from __future__ import annotations

import asyncio

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.devices.departure import wait_until_gone
from tests.loops import run_on, settle


def test_what_has_gone_is_not_waited_for() -> None:
    machine = Machine(clock=VirtualClock())
    device = machine.devices.add({"driver": "e1000"})
    machine.devices.destroy(device)
    run_on("asyncio", wait_until_gone(machine, device))


def test_the_device_itself_has_to_go() -> None:
    machine = Machine(clock=VirtualClock())
    one, other = (machine.devices.add({"driver": "e1000"}) for _ in range(2))

    async def main() -> None:
        waiting = asyncio.ensure_future(wait_until_gone(machine, one))
        await settle()
        machine.devices.destroy(other)
        await settle()
        assert not waiting.done()
        machine.devices.destroy(one)
        await waiting

    run_on("asyncio", main())


def test_a_machine_that_is_off_has_no_guest_to_wait_for() -> None:
    machine = Machine(clock=VirtualClock())
    device = machine.devices.add({"driver": "e1000"})

    async def main() -> None:
        waiting = asyncio.ensure_future(wait_until_gone(machine, device))
        await settle()
        machine.shut_down(reason="host-signal")
        with pytest.raises(GenericError, match="the machine is off"):
            await waiting

    run_on("asyncio", main())


def test_to_give_up_waiting_changes_nothing() -> None:
    machine = Machine(clock=VirtualClock())
    device = machine.devices.add({"driver": "e1000"})

    async def main() -> None:
        waiting = asyncio.ensure_future(wait_until_gone(machine, device))
        await settle()
        waiting.cancel()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        machine.devices.destroy(device)

    run_on("asyncio", main())
