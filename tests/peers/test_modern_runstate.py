"""Run states: a real QEMU is brought into each by a guest, ours by what it would do.

The guests are boot sectors of some bytes, that write to one port and then stand still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.hardware.watchdog import WatchdogAction
from qmpx.machine.runstate import PanicAction
from tests.peers.twins import twins

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

Act = Callable[[Machine], object]


def out_byte(port: int, value: int) -> bytes:
    """Return code that writes a byte to a port."""
    return bytes((0xBA, *port.to_bytes(2, "little"), 0xB0, value, 0xEE))


def out_word(port: int, value: int) -> bytes:
    """Return code that writes a word to a port."""
    pair = value.to_bytes(2, "little")
    return bytes((0xBA, *port.to_bytes(2, "little"), 0xB8, *pair, 0xEF))


OFF = out_word(0x604, 0x2000)
SLEEP = out_word(0x604, 0x2400)
RESET = out_byte(0x64, 0xFE)
PANIC = out_byte(0x505, 1)
CRASH_LOADED = out_byte(0x505, 2)
STARVE = out_byte(0x443, 15)


@dataclass
class Guest:
    """A guest, and what stands for it in our machine.

    Attributes:
        code: Of its boot sector.
        options: Of QEMU.
        act: What our machine does.
        setting: How our machine is set up before.
        last: The last event of what it does.
        data: The data of that event.
    """

    code: bytes
    act: Act
    last: str
    options: tuple[str, ...] = ()
    setting: Act = lambda _: None
    data: dict[str, Any] = field(default_factory=dict)


def set_up(**attributes: Any) -> Act:
    """Return what sets attributes of a machine."""

    def act(machine: Machine) -> None:
        for name, value in attributes.items():
            setattr(machine, name, value)

    return act


def switch_off(machine: Machine) -> None:
    machine.shut_down(by_guest=True, reason="guest-shutdown")


def reset(machine: Machine) -> None:
    machine.reset(by_guest=True, reason="guest-reset")


def pause_for_watchdog(machine: Machine) -> None:
    machine.chipset.watchdog.action = WatchdogAction.PAUSE
    machine.chipset.watchdog.expire()


PANICS = ("-device", "pvpanic", "-action")
GUESTS = {
    "off": Guest(OFF, switch_off, "STOP", ("-no-shutdown",), set_up(ends=False)),
    "off by reset": Guest(
        RESET,
        reset,
        "STOP",
        ("-no-reboot", "-no-shutdown"),
        set_up(ends=False, restarts=False),
    ),
    "sleep": Guest(SLEEP, Machine.suspend, "SUSPEND"),
    "panic": Guest(
        PANIC,
        Machine.panic,
        "STOP",
        (*PANICS, "panic=pause"),
        set_up(panic_action=PanicAction.PAUSE),
    ),
    "panic and no shutdown": Guest(
        PANIC,
        Machine.panic,
        "STOP",
        ("-device", "pvpanic", "-no-shutdown"),
        set_up(ends=False),
    ),
    "panic and go on": Guest(
        PANIC,
        Machine.panic,
        "GUEST_PANICKED",
        (*PANICS, "panic=none"),
        set_up(panic_action=PanicAction.NONE),
        {"action": "run"},
    ),
    "panic and off": Guest(
        PANIC,
        Machine.panic,
        "SHUTDOWN",
        ("-device", "pvpanic"),
        data={"guest": True, "reason": "guest-panic"},
    ),
    "crash kernel": Guest(
        CRASH_LOADED,
        Machine.note_crash_loaded,
        "GUEST_CRASHLOADED",
        ("-device", "pvpanic"),
        data={"action": "run"},
    ),
    "watchdog": Guest(
        STARVE,
        pause_for_watchdog,
        "STOP",
        ("-device", "ib700", "-action", "watchdog=pause"),
    ),
}

ROWS = [
    (
        "off",
        "cont stop system_powerdown system_wakeup migrate_cancel system_reset cont",
    ),
    ("off", "migrate stop system_reset"),
    ("off by reset", "cont system_reset cont stop"),
    ("sleep", "cont stop system_powerdown query-current-machine system_reset"),
    ("sleep", "migrate cont"),
    ("panic", "stop system_powerdown system_wakeup cont stop"),
    ("panic", "system_reset"),
    ("panic", "migrate"),
    ("panic and no shutdown", "cont"),
    ("panic and go on", "stop"),
    ("panic and off", ""),
    ("crash kernel", "stop"),
    ("watchdog", "stop system_powerdown system_wakeup cont stop"),
    ("watchdog", "system_reset"),
]


@pytest.mark.parametrize(("name", "steps"), ROWS)
def test_what_a_guest_does_leads_to_the_same(
    tmp_path: Path, name: str, steps: str
) -> None:
    guest = GUESTS[name]
    image = tmp_path / "boot.img"
    code = guest.code + b"\xf4\xeb\xfd"  # hlt, again and again
    image.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa")
    drive = f"file={image},format=raw,if=floppy,readonly=on"
    machine = Machine()
    guest.setting(machine)
    options = ("-drive", drive, "-boot", "a", *guest.options)
    with twins(*options, machine=machine) as pair:
        pair.theirs.run("cont")
        pair.ours.run("cont")
        pair.do(lambda: guest.act(machine))
        theirs = pair.theirs.until(guest.last, **guest.data)
        # The firmware may reset the machine before it boots.
        theirs = [each for each in theirs if each["event"] != "RESET"]
        assert pair.ours.until(guest.last, **guest.data) == theirs
        if guest.last == "SHUTDOWN":  # and QEMU is gone
            return
        for step in ("query-status", *steps.split()):
            arguments = {"uri": "exec:cat >/dev/null"} if step == "migrate" else {}
            heard = []
            for talk in (pair.theirs, pair.ours):
                told = talk.run(step, arguments)
                if arguments:
                    while talk.run("query-migrate")[-1]["return"]["status"] in (
                        "setup",
                        "active",
                    ):
                        pass
                heard.append([told, talk.run("query-status")])
            assert heard[1] == heard[0]
