"""What happens to a real QEMU and to the embedded machine is told alike.

The same commands go to a QEMU that has a disk and a CD-ROM drive, and to a machine that
is made like it. A guest of half a dozen instructions sleeps, or switches itself off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.machine import Machine, Medium
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.peers.conftest import StartQemu

pytestmark = pytest.mark.slow  # a start of QEMU takes 0.4 s

SIZE = 1024 * 1024
PC = ("-machine", "pc", "-m", "16")

Step = tuple[str, dict[str, Any]]

STEPS: list[Step] = [
    ("query-block", {}),
    ("system_wakeup", {}),
    ("block_resize", {"device": "hd0", "size": 2 * SIZE}),
    ("block_resize", {"device": "hd0", "size": 1000}),
    ("block_resize", {"device": "hd0", "size": -1}),
    ("block_resize", {"device": "cd0", "size": -1}),
    ("block_resize", {"device": "none", "size": -1}),
    ("block_resize", {"device": "hd0", "node-name": "none", "size": SIZE}),
    ("eject", {"device": "hd0"}),
    ("eject", {"id": "hd", "force": True}),
    ("blockdev-open-tray", {"device": "hd0"}),
    ("blockdev-close-tray", {"id": "hd"}),
    ("blockdev-close-tray", {"id": "cd"}),
    ("blockdev-open-tray", {"device": "cd0"}),
    ("blockdev-open-tray", {"id": "cd"}),
    ("query-block", {}),
    ("blockdev-close-tray", {"device": "cd0"}),
    ("eject", {"device": "cd0"}),
    ("eject", {"id": "cd"}),
    ("block_resize", {"device": "cd0", "size": 512}),
    ("query-block", {}),
    ("blockdev-close-tray", {"device": "cd0"}),
    ("eject", {"id": "none"}),
    ("system_powerdown", {}),
    ("system_reset", {}),
    ("stop", {}),
    ("system_reset", {}),
    ("query-status", {}),
    ("query-uuid", {}),
    ("query-name", {}),
    ("balloon", {"value": 0}),
    ("set_link", {"name": "x", "up": True}),
    ("device_del", {"id": "x"}),
    ("object-add", {"qom-type": "memory-backend-ram", "id": "m", "size": 4096}),
    ("object-del", {"id": "m"}),
    ("quit", {}),
]


def told(events: qmpx.Subscription) -> list[tuple[str, dict[str, Any]]]:
    """Return the events that have come."""
    happened: list[tuple[str, dict[str, Any]]] = []
    while True:
        try:
            event = events.get(0)
        except (qmpx.DeadlineExceeded, qmpx.ConnectionLost):
            return happened
        happened.append((event.name, event.data))


def converse(client: qmpx.Client, steps: list[Step]) -> list[Any]:
    """Take all steps; return what each returned or was refused with, and its events."""
    conversation: list[Any] = []
    with client.events() as events:
        for name, arguments in steps:
            try:
                outcome = client.execute(name, arguments)
            except qmpx.CommandError as error:
                outcome = str(error)
            if name == "query-block":
                outcome = [without_names(drive) for drive in outcome]
            conversation.append((name, arguments, outcome, told(events)))
    return conversation


def without_names(drive: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a drive, without what differs from host to host."""
    if (inserted := drive.get("inserted")) is not None:
        inserted["node-name"] = inserted["file"] = inserted["image"]["filename"] = ...
        inserted["image"].pop("actual-size", None)
    return drive


def test_drives_and_power(qemu: StartQemu, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(SIZE))
    drive = f"file={image},if=none,format=raw,file.locking=off"
    machine = qemu(
        *PC,
        *("-drive", f"{drive},id=hd0", "-device", "ide-hd,drive=hd0,id=hd"),
        *("-drive", f"{drive},id=cd0,media=cdrom", "-device", "ide-cd,drive=cd0,id=cd"),
    )
    with qmpx.connect(machine.qmp) as client:
        theirs = converse(client, STEPS)
    embedded = Machine()
    embedded.drives.add("hd0", id="hd", medium=Medium(str(image), size=SIZE))
    cd = Medium(str(image), size=SIZE, read_only=True)
    embedded.drives.add("cd0", id="cd", medium=cd, removable=True, has_tray=True)
    with boxed(embedded) as box:
        ours = converse(box.client, STEPS)
    assert ours == theirs


# mov dx,0x604; mov ax,AX; out dx,ax; hlt; jmp $-1: 0x604 is where a `pc` has its sleep
# type, and a request to enter that.
def boot_sector(ax: int) -> bytes:
    """Return a floppy disk that boots, asks the chip set for a sleep type and halts."""
    code = b"\xba\x04\x06\xb8" + ax.to_bytes(2, "little") + b"\xef\xf4\xeb\xfd"
    return (code.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 * 1024, b"\0")


SLEEP, SWITCH_OFF = 0x2400, 0x2000


def sleep(machine: Machine) -> None:
    """Do what the guest does that goes to sleep."""
    machine.cont()
    machine.suspend()


def switch_off(machine: Machine) -> None:
    """Do what the guest does that switches itself off."""
    machine.cont()
    machine.shut_down(by_guest=True, reason="guest-shutdown")


@pytest.mark.parametrize(
    ("ax", "guest", "until", "steps"),
    [
        (SLEEP, sleep, "SUSPEND", ["query-status", "stop", "cont", "query-status"]),
        (SLEEP, sleep, "SUSPEND", ["system_reset", "query-status", "system_wakeup"]),
        (SWITCH_OFF, switch_off, "SHUTDOWN", []),
    ],
)
def test_guests_that_sleep_or_switch_themselves_off(
    qemu: StartQemu,
    tmp_path: Path,
    ax: int,
    guest: Callable[[Machine], None],
    until: str,
    steps: list[str],
) -> None:
    floppy = tmp_path / "floppy"
    floppy.write_bytes(boot_sector(ax))
    machine = qemu(*PC, "-drive", f"file={floppy},if=floppy,format=raw")
    theirs: list[Any] = []
    with qmpx.connect(machine.qmp) as client, client.events() as events:
        client.execute("cont")
        while not theirs or theirs[-1][0] != until:
            event = events.get(20)
            theirs.append((event.name, event.data))
        theirs.append(converse(client, [(name, {}) for name in steps]))
    embedded = Machine()
    with boxed(embedded) as box:
        box.do(lambda: guest(embedded))
        ours: list[Any] = list(box.events())
        ours.append(converse(box.client, [(name, {}) for name in steps]))
    assert ours == theirs


def test_waking_a_guest_is_told_of(qemu: StartQemu, tmp_path: Path) -> None:
    floppy = tmp_path / "floppy"
    floppy.write_bytes(boot_sector(SLEEP))
    machine = qemu(*PC, "-drive", f"file={floppy},if=floppy,format=raw")
    with qmpx.connect(machine.qmp) as client, client.events() as events:
        client.execute("cont")
        while events.get(20).name != "SUSPEND":
            pass
        client.execute("system_wakeup")
        event = events.get(20)
    embedded = Machine()
    with boxed(embedded) as box:
        box.do(lambda: sleep(embedded))
        box.events()
        box.run("system_wakeup")
        assert box.events() == [(event.name, event.data)] == [("WAKEUP", {})]
