"""Ports, watchdog, balloon and boot order in 0.13's monitor."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.dialects.v2010.hardware import ACTIONS
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.balloon import Accelerator
from qmpx.machine.guest import ObedientGuest
from tests.dialects.v2010.conversation import ask, asking, say
from tests.loops import run_on

MIB = 2**20


@pytest.fixture
def machine() -> Machine:
    return Machine(clock=VirtualClock(1_281_312_000_000_000))


@pytest.mark.parametrize(
    ("lines", "printed"),
    [
        (["o/b 0x70 9", "i/b 0x71"], "portb[0x0071] = 0x10\n"),
        (["i/b 0x70.8"], "portb[0x0071] = 0x8\n"),
        (["i/b 0x70"], "portb[0x0070] = 0xff\n"),
        (["i/h 0x1234"], "portw[0x1234] = 0xffff\n"),
        (["i 0x1234"], "portl[0x1234] = 0xffffffff\n"),
        (["i/b 0x11234"], "portb[0x1234] = 0xff\n"),
        (["i/b 0x10070.0x109"], "portb[0x0071] = 0x10\n"),
        (["i/g 0x1234"], "portb[0x1234] = 0x000000000000ff\n"),
        (["o/b 0x21 0x5a", "i/b 0x21"], "portb[0x0021] = 0x5a\n"),
        (["o/b 0x10021 0x15a", "i/b 0x21"], "portb[0x0021] = 0x5a\n"),
        (["o/h 0x20 0x5a00", "i/b 0x21"], "portb[0x0021] = 0x5a\n"),
        (["o 0x20 0x5a00", "i/b 0x21"], "portb[0x0021] = 00\n"),
        (["o/g 0x21 0x5a", "i/b 0x21"], "portb[0x0021] = 0x5a\n"),
        (["o/h 0xb002 0x100", "i/h 0xb002"], "portw[0xb002] = 0x100\n"),
    ],
)
def test_ports_are_read_and_written(
    machine: Machine, lines: list[str], printed: str
) -> None:
    assert say(machine, *lines) == printed


def test_what_a_guest_causes_by_its_ports_is_told(machine: Machine) -> None:
    say(machine, "o/b 0x70 9")
    heard: list[Any] = []
    machine.listen(heard.append)
    say(machine, "o/b 0x71 0x11", "o/b 0x64 0xfe", "o/h 0xb004 0x2000")
    assert [type(it).__name__ for it in heard] == ["ClockSet", "Reset", "ShutDown"]


def test_interrupt_controllers_are_shown(machine: Machine) -> None:
    new = "pic{}: irr={} imr=00 isr=00 hprio=0 irq_base=00 rr_sel=0 elcr=00 fnm=0\n"
    assert say(machine, "info pic") == new.format(0, "01") + new.format(1, "00")
    lines = ["o/b 0x20 0x11", "o/b 0x21 8", "o/b 0x21 4", "o/b 0x21 0x11"]
    lines += ["o/b 0x21 0xfb", "o/b 0x20 0x0b", "o/b 0x20 0xc3", "o/b 0x4d1 0x40"]
    say(machine, *lines)
    machine.chipset.interrupts.first.isr = 0x40
    assert say(machine, "info pic") == (
        "pic0: irr=00 imr=fb isr=40 hprio=4 irq_base=08 rr_sel=1 elcr=00 fnm=1\n"
        "pic1: irr=00 imr=00 isr=00 hprio=0 irq_base=00 rr_sel=0 elcr=40 fnm=0\n"
    )


def test_nobody_counts_interrupts(machine: Machine) -> None:
    assert say(machine, "info irq") == "irq statistic code not compiled.\n"


FAILED = "setting boot device list failed\n"


@pytest.mark.parametrize(
    ("order", "printed", "registers"),
    [
        ("c", "boot device list now set to c\n", (0x02, 0x00)),
        ("dc", "boot device list now set to dc\n", (0x23, 0x00)),
        ("nab", "boot device list now set to nab\n", (0x14, 0x10)),
        ("abcd", f"Too many boot devices for PC\n{FAILED}", (0, 0)),
        ("cz", f"Invalid boot device for PC: 'z'\n{FAILED}", (0, 0)),
    ],
)
def test_the_boot_order_goes_where_the_firmware_looks(
    machine: Machine, order: str, printed: str, registers: tuple[int, int]
) -> None:
    assert say(machine, f"boot_set {order}") == printed
    found = []
    for register in (0x3D, 0x38):
        machine.ports.write(0x70, 1, register)
        found.append(machine.ports.read(0x71) & (0xFF if register == 0x3D else 0xF0))
    assert tuple(found) == registers


@pytest.mark.parametrize("name", ["reset", "shutdown", "poweroff", "pause", "none"])
def test_an_action_is_chosen(machine: Machine, name: str) -> None:
    assert say(machine, f"watchdog_action {name.upper()}") == ""
    assert machine.chipset.watchdog.action.value == name


@pytest.mark.parametrize("name", ["foo", "inject-nmi"])
def test_there_is_no_other_action(machine: Machine, name: str) -> None:
    assert say(machine, f"watchdog_action {name}") == (
        f"Unknown watchdog action '{name}'\n"
    )
    assert machine.chipset.watchdog.action.value == "reset"


def test_the_actions_are_those_of_0_13() -> None:
    names = ["reset", "shutdown", "poweroff", "pause", "debug", "none"]
    assert [*ACTIONS] == names


# The balloon

NOT_ACTIVE = {
    "class": "DeviceNotActive",
    "desc": "Device 'balloon' has not been activated",
    "data": {"device": "balloon"},
}
MISSING = {
    "class": "KVMMissingCap",
    "desc": "Using KVM without synchronous MMU, balloon unavailable",
    "data": {"capability": "synchronous MMU", "feature": "balloon"},
}


def test_without_its_device_there_is_no_balloon(machine: Machine) -> None:
    found = ask(machine, ("balloon", {"value": 1}), ("query-balloon", {}))
    assert found == [NOT_ACTIVE, NOT_ACTIVE]
    text = "Device 'balloon' has not been activated\n"
    assert say(machine, "balloon 64", "info balloon") == text * 2


def test_kvm_has_to_notice(machine: Machine) -> None:
    machine.accelerator = Accelerator(is_enabled=True, has_synchronous_mmu=False)
    found = ask(machine, ("balloon", {"value": 1}), ("query-balloon", {}))
    assert found == [MISSING, MISSING]


def test_a_guest_without_a_driver_keeps_its_memory(machine: Machine) -> None:
    machine.devices.add({"driver": "virtio-balloon-pci"})
    found = ask(machine, ("balloon", {"value": 64 * MIB}), ("query-balloon", {}))
    assert found == [{}, {"actual": 128 * MIB}]
    assert machine.balloon.target == 64 * MIB


def test_an_obedient_guest_gives_memory_back(machine: Machine) -> None:
    machine.devices.add({"driver": "virtio-balloon-pci"})
    machine.guest = ObedientGuest(balloon=1)
    machine.cont()
    assert say(machine, "balloon 64", "info balloon") == "balloon: actual=128\n"
    assert isinstance(machine.clock, VirtualClock)
    machine.clock.advance(1)
    assert say(machine, "info balloon") == "balloon: actual=64\n"
    assert ask(machine, ("query-balloon", {})) == [{"actual": 64 * MIB}]


def test_a_balloon_of_zero_is_answered_once_and_changes_nothing(
    machine: Machine,
) -> None:
    machine.devices.add({"driver": "virtio-balloon-pci"})
    commands = [("balloon", {"value": 0}), ("query-status", {}), ("query-balloon", {})]
    found = ask(machine, *commands)
    status = {"singlestep": False, "running": False}
    assert found == [{}, status, {"actual": 128 * MIB}]
    assert machine.balloon.target == 128 * MIB


def test_more_than_there_is_and_less_than_nothing_mean_all(machine: Machine) -> None:
    machine.devices.add({"driver": "virtio-balloon-pci"})
    for value in (1 << 62, -1):
        machine.balloon.set_target(MIB)
        assert ask(machine, ("balloon", {"value": value})) == [{}]
        assert machine.balloon.target == 128 * MIB


def test_by_execute_async_the_reply_comes_when_the_guest_is_done(
    machine: Machine,
) -> None:
    machine.devices.add({"driver": "virtio-balloon-pci"})

    async def main() -> list[Any]:
        async with asking(machine) as (send, read):
            for identity, size in (("first", 64), ("second", 32)):
                arguments = {"value": size * MIB}
                send(execute_async="balloon", arguments=arguments, id=identity)
            send(execute="query-balloon", id="now")
            replies = {reply["id"]: reply for reply in [await read(), await read()]}
            machine.balloon.settle(32 * MIB)
            return [replies["first"], replies["now"], await read()]

    superseded, now, done = run_on("asyncio", main())
    assert superseded["error"]["class"] == "UndefinedError"
    assert now == {"return": {"actual": 128 * MIB}, "id": "now"}
    assert done == {"return": {}, "id": "second"}
