"""The command line, read."""

from __future__ import annotations

import pytest

from qmpx.standin.failure import StartFailure
from qmpx.standin.parsing import parse_command_line

LIBVIRT = [
    *("-name", "guest=t1,debug-threads=on", "-S"),
    *("-object", '{"qom-type":"iothread","id":"io1"}'),
    *("-machine", "pc-i440fx-7.2,usb=off,memory-backend=pc.ram", "-accel", "tcg"),
    *("-cpu", "qemu64,avx=off", "-m", "size=65536k,slots=4,maxmem=524288k"),
    *("-smp", "1,maxcpus=2,sockets=2,cores=1,threads=1"),
    *("-uuid", "6a1ad7a5-7b4f-4c1d-9c1e-0123456789ab", "-no-user-config"),
    *("-nodefaults", "-chardev", "socket,id=charmonitor,fd=22,server=on,wait=off"),
    *("-mon", "chardev=charmonitor,id=monitor,mode=control", "-no-shutdown"),
    *("-smbios", "type=1,manufacturer=a,, b", "-boot", "menu=on,strict=on"),
    *("-device", "pvpanic", "-add-fd", "set=1,fd=9,opaque=o", "-msg", "timestamp=on"),
    *("-watchdog-action", "reset", "-incoming", "defer"),
]

NO_UUID = "-uuid {}: failed to parse UUID string: wrong format"
MISPLACED = "6a1ad7a57-b4f-4c1d-9c1e-0123456789ab"  # a hyphen
NO_DIGITS = "6a1ad7a5-7b4f-4c1d-9c1e-0123456789ag"


def test_what_libvirt_asks_for_is_understood() -> None:
    line = parse_command_line(LIBVIRT)
    assert line.name == "t1"
    assert line.names_threads
    assert line.is_paused
    assert not line.has_defaults
    assert line.machine == {
        "type": "pc-i440fx-7.2",
        "usb": "off",
        "memory-backend": "pc.ram",
    }
    assert line.accelerators == ["tcg"]
    assert line.processor == "qemu64,avx=off"
    assert line.memory == {"size": "65536k", "slots": "4", "maxmem": "524288k"}
    assert line.topology["maxcpus"] == "2"
    assert line.uuid == "6a1ad7a5-7b4f-4c1d-9c1e-0123456789ab"
    assert line.character_devices[0].id == "charmonitor"
    assert line.monitors[0]["mode"] == "control"
    assert line.actions == {"shutdown": "pause", "watchdog": "reset"}
    assert line.boot == {"menu": "on", "strict": "on"}
    assert [(x.option, x.is_json, x.values) for x in line.backends] == [
        ("-object", True, {"qom-type": "iothread", "id": "io1"}),
        ("-device", False, {"driver": "pvpanic"}),
    ]
    assert line.passed[0]["opaque"] == "o"
    assert line.incoming == "defer"
    assert line.has_timestamps
    assert line.kept == [
        ("no-user-config", ""),
        ("smbios", "type=1,manufacturer=a,, b"),
    ]
    assert line.warnings == []


def test_one_hyphen_and_two_are_the_same() -> None:
    assert parse_command_line(["--name", "x", "-S"]).name == "x"


def test_a_word_without_a_hyphen_is_a_disk() -> None:
    drive = parse_command_line(["disk,1.img"]).drives[0]
    assert drive == {"file": "disk,1.img", "index": "0", "media": "disk"}


def test_accelerators_may_be_a_property_of_the_machine() -> None:
    line = parse_command_line(["-machine", "none,accel=kvm:tcg"])
    assert line.accelerators == ["kvm", "tcg"]
    assert line.machine == {"type": "none"}


@pytest.mark.parametrize(
    ("words", "lists"),
    [
        (["-machine", "help"], [("-machine", "help")]),
        (["-cpu", "?"], [("-cpu", "help")]),
        (["-device", "VGA,help"], [("-device", "VGA")]),
        (["-netdev", "help"], [("-netdev", "help")]),
    ],
)
def test_lists_can_be_asked_for(words: list[str], lists: list[tuple[str, str]]) -> None:
    assert parse_command_line(words).lists == lists


def test_the_version_ends_the_reading_but_not_the_look_for_wrong_options() -> None:
    line = parse_command_line(["-version", "-uuid", "x"])
    assert line.asks_version
    with pytest.raises(StartFailure, match="-foo: invalid option"):
        parse_command_line(["-version", "-foo"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m"], "-m: requires an argument"),
        (["-profile", "x"], "-profile: invalid option"),
        (["-uuid", "x"], NO_UUID.format("x")),
        (["-uuid", MISPLACED], NO_UUID.format(MISPLACED)),
        (["-uuid", NO_DIGITS], NO_UUID.format(NO_DIGITS)),
        (["-add-fd", "fd=1"], "-add-fd fd=1: fd cannot be a standard I/O stream"),
        (
            ["-add-fd", "fd=9"],
            "-add-fd fd=9: set option is required and must be non-negative",
        ),
        (["-device", "id=a"], "-device id=a: Parameter 'driver' is missing"),
        (["-device", "{"], "-device {: JSON parse error, premature EOI"),
        (
            ["-action", "panic=x"],
            "-action panic=x: Parameter 'panic' does not accept value 'x'",
        ),
        (
            ["-daemonize", "-qmp", "stdio"],
            "-qmp stdio: cannot use stdio with -daemonize",
        ),
        (
            ["-accel", "tcg", "-machine", "pc,accel=tcg"],
            'The -accel and "-machine accel=" options are incompatible',
        ),
    ],
)
def test_what_is_wrong_by_itself_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(StartFailure) as caught:
        parse_command_line(words)
    assert caught.value.text == message
