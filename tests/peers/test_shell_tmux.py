"""The shell, as a person at a terminal has it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.loops import short_directory
from tests.peers.tmux import Terminal, terminal
from tests.programs import QMPX, SECONDS, serving, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.peer("tmux"), pytest.mark.slow]


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as path:
        yield path


class Shell:
    """The shell on a terminal."""

    def __init__(self, screen: Terminal) -> None:
        self.screen = screen

    def enter(self, line: str) -> None:
        """Type a line, literally, and Enter."""
        self.type(line)
        self.screen.press("Enter")

    def type(self, text: str) -> None:
        """Type a text, literally."""
        self.screen.press("-l", text)

    def shows(self, *texts: str) -> str:
        """Wait until the screen shows all of these, in this order; return it."""
        deadline = time.monotonic() + SECONDS
        while True:
            shown = self.screen.contents
            place = 0
            for text in texts:
                place = shown.find(text, place)
                if place < 0:
                    break
                place += len(text)
            else:
                return shown
            assert time.monotonic() < deadline, f"{texts}\n{shown}"
            time.sleep(0.02)


def run_shell(folder: Path, *words: str) -> list[str]:
    """Return the command that runs the shell, with a history of its own."""
    state = f"XDG_STATE_HOME={folder / 'state'}"
    return ["env", state, "PAGER=cat", str(QMPX), "shell", *words]


@pytest.fixture
def embedded(folder: Path) -> Iterator[tuple[Shell, Path]]:
    """Start the shell with a machine that is served by qmpx."""
    with (
        serving("--name", "box") as server,
        terminal(folder, run_shell(folder, server.address)) as screen,
    ):
        shell = Shell(screen)
        shell.shows("Connected to QEMU", "(QEMU)", "running")
        yield shell, server.path


def test_a_command_and_its_time(embedded: tuple[Shell, Path]) -> None:
    shell, _ = embedded
    shell.enter("query-name")
    shell.shows('"name": "box"', " ms", "(QEMU)")


def test_a_list_is_a_table(embedded: tuple[Shell, Path]) -> None:
    shell, _ = embedded
    shell.enter("query-block")
    shell.shows("device", "qdev", "file", "────", "ide0-hd0", "ide1-cd0")
    shell.enter("as json")
    shell.enter("query-block")
    shell.shows('"dirty-flag": false')


def test_commands_arguments_and_values_are_completed(
    embedded: tuple[Shell, Path],
) -> None:
    shell, _ = embedded
    shell.type("query-sta")
    shell.shows("query-status")
    shell.screen.press("C-u")
    shell.type("eject f")
    shell.shows("force=", "eject: ")
    shell.screen.press("Tab")
    shell.shows("eject force=")
    shell.type("t")
    shell.shows("eject force=t", "true")  # it is offered, now
    shell.screen.press("Tab")
    shell.shows("eject force=true")


def test_documentation_explains_what_is_offered(folder: Path) -> None:
    (folder / "qapi-schema.json").write_text(
        "##\n# @eject:\n#\n# Take out what is in there.\n#\n# @device: which drive\n#\n"
        "# @id: which device\n#\n# @force: even if the guest holds it\n##\n"
        "{ 'command': 'eject',\n"
        "  'data': { '*device': 'str', '*id': 'str', '*force': 'bool' } }\n"
    )
    with (
        serving("--name", "box") as server,
        terminal(
            folder, run_shell(folder, server.address, "--schema", str(folder))
        ) as screen,
    ):
        shell = Shell(screen)
        shell.shows("Connected to QEMU", "(QEMU)", "running")
        shell.type("eje")
        shell.shows("eject", "Take out what is in there.")
        shell.type("ct ")
        shell.shows("device=", "which drive", "force=", "even if the guest holds it")
        shell.type("force=")
        shell.shows("eject force: bool: even if the guest holds it")
        screen.press("C-u")
        shell.enter("help eject")
        shell.shows("command eject", "Take out", "device?: str", "which drive")


def test_only_what_a_role_allows_is_completed(folder: Path) -> None:
    with (
        serving("--name", "box") as server,
        sharing(server.path, "--role", "observe") as place,
        terminal(folder, run_shell(folder, str(place))) as screen,
    ):
        shell = Shell(screen)
        shell.shows("Connected to QEMU", "(QEMU)", "running")
        shell.type("query-s")
        shell.shows("query-status")
        screen.press("C-u")
        shell.enter("help")
        shell.shows("Tab completes; there are")
        shell.type("sto")
        shell.shows("(QEMU) sto")
        screen.press("Tab")
        shell.enter("p")
        shown = shell.shows(
            "The role observe does not allow stop here", "query-commands lists"
        )
        assert "(QEMU) stop" in shown


def test_names_of_the_machine_are_completed_when_tab_asks(
    embedded: tuple[Shell, Path],
) -> None:
    shell, _ = embedded
    shell.type("eject device=ide1")
    shell.screen.press("Tab")
    shell.shows("eject device=ide1-cd0")
    shell.screen.press("Enter")
    shell.shows("{}", " ms")
    shell.type("qom-list path=/machine/per")
    shell.screen.press("Tab")
    shell.shows("/machine/peripheral", "/machine/peripheral-anon")


def test_events_stand_above_what_is_being_typed(
    embedded: tuple[Shell, Path],
) -> None:
    shell, path = embedded
    shell.type("query-na")
    with qmpx.connect(path) as other:
        other.execute("stop")
    shown = shell.shows("STOP", "(QEMU) query-na")
    assert shown.count("query-na") >= 1
    shell.type("me")
    shell.screen.press("Enter")
    shell.shows("STOP", "(QEMU) query-name", '"name": "box"', "paused")


def test_events_can_be_filtered(embedded: tuple[Shell, Path]) -> None:
    shell, path = embedded
    shell.enter("events RES*")
    shell.shows("events are shown whose name is RES*")
    with qmpx.connect(path) as other:
        other.execute("stop")
        other.execute("cont")
    assert "STOP" not in shell.shows("RESUME")
    shell.enter("events last")
    shell.shows("RESUME", "events last", "STOP", "RESUME")


def test_errors_say_what_to_do(embedded: tuple[Shell, Path]) -> None:
    shell, _ = embedded
    shell.enter("eject device=foobar")
    shell.shows("DeviceNotFound: Device 'foobar' not found")
    shell.enter("block_resize device=ide0-hd0 size=big")
    shell.shows("'size' is a number, such as 512 or 4G, not 'big'")


def test_the_human_monitor(embedded: tuple[Shell, Path]) -> None:
    shell, _ = embedded
    shell.enter("hmp info status")
    shell.shows("VM status: running")
    shell.enter("hmp")
    shell.shows("'hmp' leads back", "(qemu)")
    shell.enter("info name")
    shell.shows("(qemu) info name", "box")
    shell.enter("hmp")
    shell.shows("lines are for QMP again", "(QEMU)")


def test_on_a_narrow_screen_each_cell_has_a_line(folder: Path) -> None:
    with (
        serving("--name", "box") as server,
        terminal(folder, run_shell(folder, server.address), columns=40) as screen,
    ):
        shell = Shell(screen)
        shell.shows("(QEMU)", "running")
        shell.enter("query-block")
        shell.shows("device     ide1-cd0\n", "locked     no\n", "ms\n(QEMU)")
        shell.enter("as table")
        shell.enter("query-name")
        shell.shows("member  value\n", "name    box\n")


def test_a_terminal_that_only_prints(folder: Path) -> None:
    with (
        serving("--name", "box") as server,
        terminal(
            folder, ["env", "TERM=dumb", *run_shell(folder, server.address)]
        ) as screen,
    ):
        shell = Shell(screen)
        shell.shows("(QEMU)")
        shell.enter("query-name")
        shell.shows('\n{\n  "name": "box"\n}\n', " ms\n(QEMU)")
        shell.enter("stop")
        shell.shows("stop\n", " STOP\n{}\n", " ms\n(QEMU)")


def test_what_may_destroy_something_is_asked_about(
    embedded: tuple[Shell, Path],
) -> None:
    shell, path = embedded
    shell.enter("quit")
    shell.shows("ends the emulator at once", "Go on? [y/N]")
    shell.enter("n")
    shell.shows("nothing was sent", "(QEMU)")
    with qmpx.connect(path) as other:
        assert other.execute("query-status")["running"]


def test_a_machine_that_ends_and_comes_back(folder: Path) -> None:
    with serving("--name", "first") as server:
        address = server.address
        with terminal(folder, run_shell(folder, address)) as screen:
            shell = Shell(screen)
            shell.shows("(QEMU)", "running")
            server.end()
            shell.shows("; trying to connect again")
            shell.enter("query-name")
            shell.shows("there is no connection at the moment")
            with serving("--name", "second", "--qmp", address):
                shell.shows("connected again; events may have been missed")
                shell.enter("query-name")
                shell.shows('"name": "second"')


def test_lines_of_former_days(folder: Path) -> None:
    with serving() as server:
        words = run_shell(folder, server.address)
        with terminal(folder, words) as screen:
            shell = Shell(screen)
            shell.shows("(QEMU)", "running")
            shell.enter("query-version")
            shell.shows('"micro"')
            shell.enter("!last")
            shell.shows("!last", "query-version", '"micro"')
        # A terminal of its own: tmux takes a moment to end.
        with short_directory() as other, terminal(other, words) as screen:
            shell = Shell(screen)
            shell.shows("(QEMU)", "running")
            screen.press("C-r")
            shell.type("version")
            shell.shows("query-version")
            screen.press("Enter", "Enter")
            shell.shows('"micro"')


def test_json_may_be_pasted_over_several_lines(embedded: tuple[Shell, Path]) -> None:
    shell, _ = embedded
    shell.enter('{"execute":')
    shell.enter(' "query-name"}')
    shell.shows('"name": "box"')


def test_many_lines_may_be_pasted_at_once(embedded: tuple[Shell, Path]) -> None:
    shell, _ = embedded
    lines = '{"execute": "stop"}\n{"execute": "query-status"}\nquery-name'
    shell.screen.paste(lines)
    shell.screen.press("Enter")
    shell.shows("STOP", "{}", '"status": "paused"', '"name": "box"')


def test_what_a_peer_says_does_not_move_the_cursor(folder: Path) -> None:
    name = "evil\x1b[2J\x1b[1;1Hbox"
    with (
        serving("--name", name) as server,
        terminal(folder, run_shell(folder, server.address)) as screen,
    ):
        shell = Shell(screen)
        shell.shows("Connected", "(QEMU)", "running")
        shell.enter("query-name")
        shell.shows("Connected", r"evil\u001b[2J\u001b[1;1Hbox")
        shell.enter("hmp info name")
        shell.shows("Connected", r"evil\x1b[2J\x1b[1;1Hbox")


def test_ctrl_c_stops_the_wait_and_not_the_shell(folder: Path) -> None:
    from tests.cli.conftest import Talk, by_hand

    def talk(peer: Talk) -> None:
        import json

        peer.negotiate()
        while line := peer.line():
            message = json.loads(line)
            if message["execute"] == "slow":
                continue
            error = {"class": "CommandNotFound", "desc": "no"}
            reply = {"error": error, "id": message["id"]}
            peer.send(json.dumps(reply).encode() + b"\n")

    with (
        by_hand(talk) as address,
        terminal(folder, run_shell(folder, address)) as screen,
    ):
        shell = Shell(screen)
        shell.shows("(QEMU)")
        shell.enter("slow")
        time.sleep(0.3)  # until it is waited for; nothing tells
        screen.press("C-c")
        shell.shows("not waited for any more")
        shell.enter("other")
        shell.shows("CommandNotFound: no")
        screen.press("C-d")


# With a real QEMU.


@pytest.fixture
def real(folder: Path, qemu: StartQemu) -> Iterator[tuple[Shell, int]]:
    """Start the shell with a QEMU that has a disk."""
    disk = folder / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    machine = qemu(
        *("-machine", "pc", "-blockdev", f"driver=file,node-name=f0,filename={disk}"),
        *("-blockdev", "driver=raw,node-name=disk0,file=f0"),
        *("-device", "virtio-blk-pci,drive=disk0,id=vblk"),
    )
    record = str(folder / "talk.jsonl")
    words = run_shell(folder, str(machine.qmp), "--record", record)
    with terminal(folder, words) as screen:
        shell = Shell(screen)
        shell.shows("Connected to QEMU", "(QEMU)", "prelaunch")
        yield shell, machine.process.pid


def test_a_real_qemu_is_completed(real: tuple[Shell, int]) -> None:
    shell, _ = real
    shell.type("blockdev-add driver=qco")
    shell.shows("qcow2")
    shell.screen.press("C-u")
    shell.type("device_del id=v")
    shell.screen.press("Tab")
    shell.shows("device_del id=vblk")
    shell.screen.press("C-u")
    shell.type("blockdev-del node-name=dis")
    shell.screen.press("Tab")
    shell.shows("node-name=disk0")
    shell.screen.press("C-u")
    shell.type("hmp info blo")
    shell.shows("block-jobs", "blockstats")


def test_a_transaction_of_a_real_qemu(real: tuple[Shell, int]) -> None:
    shell, _ = real
    shell.enter("transaction(")
    shell.shows("TRANS>")
    shell.enter("block-dirty-bitmap-add node=disk0 name=b0")
    shell.enter("block-dirty-bitmap-add node=disk0 name=b1")
    shell.enter(")")
    shell.shows("{}", " ms", "(QEMU)")
    shell.enter("transaction( block-dirty-bitmap-add node=disk0 name=b1 )")
    shell.shows("GenericError: Bitmap already exists: b1")
    shell.enter("hmp info status")
    shell.shows("VM status: paused (prelaunch)")


def test_a_real_qemu_tells_and_ends(real: tuple[Shell, int], folder: Path) -> None:
    shell, pid = real
    shell.enter("cont")
    shell.shows("RESUME", "running")
    shell.enter("frob")
    shell.shows("CommandNotFound: The command frob has not been found")
    os.kill(pid, signal.SIGTERM)
    shell.shows("SHUTDOWN", "host-signal", "trying to connect again")
    written = (folder / "talk.jsonl").read_text()
    assert '"execute":"frob"' in written
    assert '"event":"SHUTDOWN"' in written


def test_no_address_offers_what_runs(folder: Path) -> None:
    with (
        serving("--name", "found-me") as server,
        terminal(folder, run_shell(folder)) as screen,
    ):
        shell = Shell(screen)
        shell.shows("Which one?")
        shown = screen.everything
        assert "Monitors on this host:" in shown
        line = next(each for each in shown.splitlines() if str(server.path) in each)
        shell.enter(line.split()[0])
        shell.shows("Connected to QEMU", "(QEMU)")
        shell.enter("query-name")
        shell.shows("found-me")
