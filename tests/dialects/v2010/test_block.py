"""Drives in 2010: media, keys, counters, as QMP and as people see them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from qmpx.dialects.v2010 import block, v2010_monitor
from qmpx.dialects.v2010.dialect import command_table
from qmpx.errors import (
    CommandError,
    DeviceEncrypted,
    DeviceLocked,
    DeviceNotEncrypted,
    DeviceNotFound,
    DeviceNotRemovable,
    InvalidBlockFormat,
    InvalidPassword,
    MissingParameter,
    OpenFileFailed,
)
from qmpx.machine import Machine
from qmpx.machine.block.qcow2_header import new_image
from qmpx.monitor.human import HumanSession, run_line

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1 << 20

DRIVES: list[dict[str, str]] = [
    {"file": "hd.img", "index": "0"},
    {"file": "over.qcow2", "index": "1"},
    {"file": "cd.iso", "media": "cdrom", "index": "2"},
    {"file": "fd.qcow2", "if": "floppy", "index": "0"},
    {"file": "enc.qcow2", "if": "none", "id": "enc0"},
]

INFO = """\
ide0-hd0: type=hd removable=0 file=hd.img ro=0 drv=raw encrypted=0
ide0-hd1: type=hd removable=0 file=over.qcow2 backing_file=base.img ro=0 drv=qcow2 \
encrypted=0
ide1-cd0: type=cdrom removable=1 locked=0 file=cd.iso ro=1 drv=raw encrypted=0
floppy0: type=floppy removable=1 locked=0 file=fd.qcow2 ro=0 drv=qcow2 encrypted=0
enc0: type=hd removable=0 file=enc.qcow2 ro=0 drv=qcow2 encrypted=1
"""


class Person:
    """Somebody who is asked for passwords, and reads what is printed."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.seen = ""

    def print(self, text: str) -> None:
        self.seen += text

    async def read_password(self, prompt: str = "Password: ") -> str:
        self.seen += prompt
        return self.answers.pop(0)

    @property
    def session(self) -> HumanSession:
        return cast("HumanSession", self)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine with one drive of each kind, in a folder with images."""
    monkeypatch.chdir(tmp_path)
    for name in ("hd.img", "base.img", "cd.iso", "cd2.iso", "a b.iso"):
        (tmp_path / name).write_bytes(bytes(SIZE))
    (tmp_path / "over.qcow2").write_bytes(new_image(SIZE, backing_file="base.img"))
    (tmp_path / "fd.qcow2").write_bytes(new_image(1440 << 10))
    (tmp_path / "enc.qcow2").write_bytes(new_image(SIZE, encrypted=True))
    machine = Machine()
    for options in DRIVES:
        assert machine.drives.plug(options) is not None
    return machine


def info(machine: Machine, device: str) -> str:
    shown = block.show_block(block.query_block(machine))
    (line,) = (x for x in shown.splitlines() if x.startswith(f"{device}:"))
    return line


def test_what_is_told_of_the_drives(machine: Machine) -> None:
    told = block.query_block(machine)
    assert told[1:3] == [
        {
            "device": "ide0-hd1",
            "locked": False,
            "removable": False,
            "inserted": {
                "ro": False,
                "drv": "qcow2",
                "backing_file": "base.img",
                "encrypted": False,
                "file": "over.qcow2",
            },
            "type": "hd",
        },
        {
            "device": "ide1-cd0",
            "locked": False,
            "removable": True,
            "inserted": {
                "ro": True,
                "drv": "raw",
                "encrypted": False,
                "file": "cd.iso",
            },
            "type": "cdrom",
        },
    ]
    assert block.show_block(told) == INFO


def test_names_are_shown_so_that_they_stay_one_word(machine: Machine) -> None:
    block.change(machine, device="ide1-cd0", target="a b.iso")
    assert "file=a\\ b.iso ro=1" in info(machine, "ide1-cd0")
    drive = machine.drives["ide1-cd0"]
    assert drive.medium is not None
    drive.medium.file = 'a"\\\t\r\n'
    assert 'file=a\\"\\\\\\t\\r\\n ro=1' in info(machine, "ide1-cd0")


def test_what_is_counted(machine: Machine) -> None:
    machine.drives["ide0-hd0"].write(7, bytes(1024))
    machine.drives["ide0-hd0"].read(0, 3)
    machine.drives["ide1-cd0"].eject_2010()
    first, *_ = told = block.query_blockstats(machine)
    stats = {
        "wr_highest_offset": 8 * 512,
        "wr_bytes": 1024,
        "wr_operations": 1,
        "rd_bytes": 1536,
        "rd_operations": 1,
    }
    assert first == {"device": "ide0-hd0", "parent": {"stats": stats}, "stats": stats}
    assert [each["device"] for each in told] == [*machine.drives]
    assert "parent" not in told[2]
    assert block.show_blockstats(told[:1]) == (
        "ide0-hd0: rd_bytes=1536 wr_bytes=1024 rd_operations=1 wr_operations=1\n"
    )


def test_what_stands_behind_rules_is_told_of_too(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "bd.cfg").write_text("")
    block.change(machine, device="ide1-cd0", target="blkdebug:bd.cfg:cd2.iso")
    told = block.query_blockstats(machine)[2]
    assert told["parent"]["parent"].keys() == {"stats"}
    assert "file=blkdebug:bd.cfg:cd2.iso ro=1 drv=raw" in info(machine, "ide1-cd0")


def test_eject_empties_the_drive_and_may_do_so_again(machine: Machine) -> None:
    for _ in range(2):
        block.eject(machine, device="ide1-cd0")
        assert info(machine, "ide1-cd0") == (
            "ide1-cd0: type=cdrom removable=1 locked=0 [not inserted]"
        )


def test_force_empties_every_drive(machine: Machine) -> None:
    machine.drives["ide1-cd0"].is_locked = True
    for device in machine.drives:
        block.eject(machine, force=True, device=device)
        assert info(machine, device).endswith("[not inserted]")


REFUSALS: list[tuple[str, dict[str, Any], CommandError]] = [
    ("eject", {"device": "zz"}, DeviceNotFound(device="zz")),
    ("eject", {"device": "ide0-hd0"}, DeviceNotRemovable(device="ide0-hd0")),
    ("change", {"device": "zz", "target": "y"}, DeviceNotFound(device="zz")),
    (
        "change",
        {"device": "ide0-hd0", "target": "y"},
        DeviceNotRemovable(device="ide0-hd0"),
    ),
    (
        "change",
        {"device": "ide0-hd0", "target": "y", "arg": "nofmt"},
        InvalidBlockFormat(name="nofmt"),
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "/nonexistent"},
        OpenFileFailed(filename="/nonexistent"),
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "cd.iso", "arg": "qcow2"},
        OpenFileFailed(filename="cd.iso"),
    ),
    (
        "change",
        {"device": "ide1-cd0", "target": "enc.qcow2"},
        DeviceEncrypted(device="ide1-cd0"),
    ),
    (
        "change",
        {"device": "vnc", "target": "password"},
        MissingParameter(name="password"),
    ),
    ("block_passwd", {"device": "zz", "password": "p"}, DeviceNotFound(device="zz")),
    (
        "block_passwd",
        {"device": "ide0-hd0", "password": "p"},
        DeviceNotEncrypted(device="ide0-hd0"),
    ),
    ("commit", {"device": "zz"}, DeviceNotFound(device="zz")),
]


@pytest.mark.parametrize(("name", "arguments", "error"), REFUSALS)
def test_what_is_refused(
    machine: Machine, name: str, arguments: dict[str, Any], error: CommandError
) -> None:
    with pytest.raises(type(error)) as caught:
        getattr(block, name)(machine, **arguments)
    assert (caught.value.error_class, caught.value.data) == (
        error.error_class,
        error.data,
    )


@pytest.mark.parametrize(
    ("name", "arguments"), [("eject", {}), ("change", {"target": "cd2.iso"})]
)
def test_a_locked_drive_keeps_its_medium(
    machine: Machine, name: str, arguments: dict[str, str]
) -> None:
    machine.drives["ide1-cd0"].is_locked = True
    with pytest.raises(DeviceLocked) as caught:
        getattr(block, name)(machine, device="ide1-cd0", **arguments)
    assert caught.value.data == {"device": "ide1-cd0"}
    assert "locked=1 file=cd.iso" in info(machine, "ide1-cd0")


def test_change_puts_another_medium_in_and_shuts_the_tray(machine: Machine) -> None:
    block.change(machine, device="ide1-cd0", target="cd2.iso", arg="raw")
    assert info(machine, "ide1-cd0").endswith("file=cd2.iso ro=1 drv=raw encrypted=0")
    assert not machine.drives["ide1-cd0"].is_tray_open
    block.change(machine, device="floppy0", target="cd2.iso")
    assert info(machine, "floppy0").endswith("file=cd2.iso ro=0 drv=raw encrypted=0")


def test_a_failed_change_leaves_the_drive_empty(machine: Machine) -> None:
    with pytest.raises(OpenFileFailed):
        block.change(machine, device="ide1-cd0", target="/nonexistent")
    assert info(machine, "ide1-cd0").endswith("[not inserted]")


def test_a_machine_does_not_run_without_its_keys(machine: Machine) -> None:
    with pytest.raises(DeviceEncrypted) as caught:
        machine.drives.require_keys()
    assert caught.value.data == {"device": "enc0"}
    block.block_passwd(machine, device="enc0", password="any")
    machine.drives.require_keys()
    with pytest.raises(DeviceEncrypted):
        block.change(machine, device="ide1-cd0", target="enc.qcow2")
    assert "file=enc.qcow2 ro=1 drv=qcow2 encrypted=1" in info(machine, "ide1-cd0")
    block.eject(machine, device="ide1-cd0")
    with pytest.raises(InvalidPassword):
        block.block_passwd(machine, device="ide1-cd0", password="x")
    with pytest.raises(DeviceEncrypted) as caught:
        machine.drives.require_keys()  # so it was in 0.13, although the drive is empty
    assert caught.value.data == {"device": "ide1-cd0"}


def test_the_key_of_the_image_behind_is_needed_too(
    machine: Machine, tmp_path: Path
) -> None:
    content = new_image(SIZE, backing_file="enc.qcow2")
    (tmp_path / "front.qcow2").write_bytes(content)
    person = Person("key")
    with pytest.raises(DeviceEncrypted):
        block.change(machine, device="floppy0", target="front.qcow2")
    block.block_passwd(machine, device="enc0", password="any")
    assert asyncio.run(block.ask_for_keys(machine, person.session))
    assert person.seen == "floppy0 (enc.qcow2) is encrypted.\nPassword: "
    assert "backing_file=enc.qcow2 ro=0 drv=qcow2 encrypted=1" in info(
        machine, "floppy0"
    )


def test_people_are_asked_for_all_keys(machine: Machine) -> None:
    with pytest.raises(DeviceEncrypted):
        block.change(machine, device="ide1-cd0", target="enc.qcow2")
    person = Person("one", "two")
    assert asyncio.run(block.ask_for_keys(machine, person.session))
    assert person.seen == (
        "ide1-cd0 (enc.qcow2) is encrypted.\nPassword: "
        "enc0 (enc.qcow2) is encrypted.\nPassword: "
    )
    machine.drives.require_keys()


def test_a_key_that_is_not_taken_ends_the_questions(machine: Machine) -> None:
    with pytest.raises(DeviceEncrypted):
        block.change(machine, device="ide1-cd0", target="enc.qcow2")
    block.eject(machine, device="ide1-cd0")
    person = Person("one")
    assert not asyncio.run(block.ask_for_keys(machine, person.session))
    assert person.seen == (
        "ide1-cd0 (enc.qcow2) is encrypted.\nPassword: invalid password\n"
    )


def change_for_human(machine: Machine, person: Person, **arguments: str) -> str:
    command = command_table().find("change")
    assert command is not None
    assert command.human is not None
    asyncio.run(_wait(command.human(machine, person.session, **arguments)))
    return person.seen


async def _wait(what: Any) -> None:
    await what


def test_change_asks_people_for_the_key(machine: Machine) -> None:
    arguments = {"device": "ide1-cd0", "target": "enc.qcow2"}
    assert change_for_human(machine, Person("key"), **arguments) == (
        "ide1-cd0 (enc.qcow2) is encrypted.\nPassword: "
    )
    assert not machine.drives["ide1-cd0"].key.is_lacking
    arguments["target"] = "cd.iso"
    assert change_for_human(machine, Person(), **arguments) == ""


def test_commit_writes_into_the_image_behind_and_tells_nothing(
    machine: Machine, tmp_path: Path
) -> None:
    machine.drives["ide0-hd1"].write(3, b"committed".ljust(512))
    for device in ("ide0-hd1", "all", "ide0-hd0"):  # the last has none behind it
        assert block.commit(machine, device=device) is None
    assert (tmp_path / "base.img").read_bytes()[1536:1545] == b"committed"


def test_people_type_it(machine: Machine) -> None:
    async def type_(*lines: str) -> list[str]:
        monitor = v2010_monitor(machine)
        return [await run_line(monitor, line) for line in lines]

    assert asyncio.run(
        type_(
            "eject ide0-hd0",
            "eject -f ide0-hd0",
            "change ide1-cd0 /nonexistent",
            "change ide1-cd0 cd2.iso nofmt",
            'change ide1-cd0 "a b.iso"',
            "block_passwd ide1-cd0 p",
            "commit zz",
            "commit all",
            "info block",
        )
    ) == [
        "Device 'ide0-hd0' is not removable\r\n",
        "",
        "Could not open '/nonexistent'\r\n",
        "Invalid block format 'nofmt'\r\n",
        "",
        "Device 'ide1-cd0' is not encrypted\r\n",
        "Device 'zz' not found\r\n",
        "",
        INFO.replace("\n", "\r\n")
        .replace("file=hd.img ro=0 drv=raw encrypted=0", "[not inserted]")
        .replace("cd.iso", "a\\ b.iso"),
    ]


def test_nobody_is_asked_where_nobody_sits(machine: Machine) -> None:
    async def type_() -> str:
        return await run_line(v2010_monitor(machine), "change ide1-cd0 enc.qcow2")

    assert asyncio.run(type_()).startswith("ide1-cd0 (enc.qcow2) is encrypted.\r\n")
    assert machine.drives["ide1-cd0"].key.is_lacking


def test_the_names_of_drives_are_completed(machine: Machine) -> None:
    session = type("Session", (), {"monitor": v2010_monitor(machine)})
    assert list(block.commands.completions["B"](session, "")) == [*machine.drives]
