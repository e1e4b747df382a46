"""The programs of a guest."""

from __future__ import annotations

import errno

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.guest_system import GuestSystem
from qmpx.machine.guest_system.programs import FIRST_PID, MAX_PROCESSES


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def system(clock: VirtualClock) -> GuestSystem:
    return GuestSystem(Machine("box", clock=clock), "box")


def run(system: GuestSystem, *words: str, data: bytes = b"") -> tuple[int, str, str]:
    pid = system.programs.start(words[0], words[1:], data=data)
    process, has_ended = system.programs.look(pid)
    assert has_ended
    return process.status, process.output.decode(), process.errors.decode()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo a b", (0, "a b\n", "")),
        ("echo 'a  b'", (0, "a  b\n", "")),
        ("true; echo x", (0, "x\n", "")),
        ("false && echo x", (1, "", "")),
        ("false || echo x", (0, "x\n", "")),
        ("echo a; exit 3; echo b", (3, "a\n", "")),
        ("echo a 1>&2", (0, "", "a\n")),
        ("cat /nope 2>/dev/null || echo gone", (0, "gone\n", "")),
        ("cat /nope 2>&1", (1, "cat: /nope: No such file or directory\n", "")),
        ("echo a > /tmp/x; echo b >> /tmp/x; cat /tmp/x", (0, "a\nb\n", "")),
        ("echo a > /nope/x", (1, "", "sh: /nope/x: No such file or directory\n")),
        ("nope", (127, "", "sh: nope: not found\n")),
        ("echo 'a", (2, "", "sh: syntax error: No closing quotation\n")),
        ("hostname\nuname -m", (0, "box\nx86_64\n", "")),
        ("", (0, "", "")),
    ],
)
def test_a_script_does_what_a_shell_would_do(
    system: GuestSystem, script: str, expected: tuple[int, str, str]
) -> None:
    assert run(system, "/bin/sh", "-c", script) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/usr/bin/cat", "/etc/hostname"], (0, "box\n", "")),
        (["cat"], (0, "input", "")),
        (["ls", "/etc"], (0, "hostname\nhosts\nos-release\n", "")),
        (
            ["ls", "/nope"],
            (2, "", "ls: cannot access '/nope': No such file or directory\n"),
        ),
        (["date", "+%s"], (0, "1281312000\n", "")),
        (["uname", "-sr"], (0, "Linux 6.1.0-qmpx\n", "")),
        (["uname", "-q"], (1, "", "uname: invalid option -- 'q'\n")),
        (["sleep"], (1, "", "sleep: missing operand\n")),
        (["sleep", "x"], (1, "", "sleep: invalid time interval\n")),
        (["printf", "a\\n"], (0, "a\n", "")),
        (["whoami"], (0, "root\n", "")),
    ],
)
def test_a_program(
    system: GuestSystem, words: list[str], expected: tuple[int, str, str]
) -> None:
    assert run(system, *words, data=b"input") == expected


def test_a_process_takes_its_time(system: GuestSystem, clock: VirtualClock) -> None:
    pid = system.programs.start("/bin/sleep", ["5"])
    assert pid == FIRST_PID
    clock.advance(4.9)
    assert system.programs.look(pid)[1] is False
    clock.advance(0.1)
    assert system.programs.look(pid)[1] is True
    with pytest.raises(KeyError):
        system.programs.look(pid)


def test_what_a_process_gets_for_its_environment(system: GuestSystem) -> None:
    pid = system.programs.start("env", environment={"A": "1"})
    assert system.programs.look(pid)[0].output == b"A=1\n"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/bin/nope", errno.ENOENT),
        ("/opt/cat", errno.ENOENT),
        ("/etc/hosts", errno.EACCES),
    ],
)
def test_what_cannot_be_run(system: GuestSystem, path: str, number: int) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        system.programs.start(path)
    assert caught.value.errno == number


def test_no_more_processes_than_there_may_be(system: GuestSystem) -> None:
    for _ in range(MAX_PROCESSES):
        system.programs.start("true")
    with pytest.raises(OSError, match="unavailable") as caught:
        system.programs.start("true")
    assert caught.value.errno == errno.EAGAIN
