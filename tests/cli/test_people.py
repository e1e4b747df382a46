"""Commands that do one thing for a person, through pipes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

import qmpx as package
from tests.cli.conftest import by_hand
from tests.loops import short_directory
from tests.programs import SECONDS, qmpx, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Talk
    from tests.programs import Served

pytestmark = pytest.mark.slow  # each starts a program: 0.1 s


def run(*words: str | Path, stdin: str = "") -> tuple[int, str, str]:
    """Run a command; return its status, and what it printed where."""
    ended = qmpx(*words, stdin=stdin)
    return ended.returncode, ended.stdout, ended.stderr


def test_a_human_line(box: Served) -> None:
    status = "VM status: running\n"
    assert run("hmp", box.address, "info", "status") == (0, status, "")
    assert run("hmp", box.address, "info status", "--json") == (
        0,
        json.dumps(status) + "\n",
        "",
    )


def test_a_human_line_that_fails_is_status_1(box: Served) -> None:
    status, stdout, stderr = run("hmp", box.address, "foo")
    assert (status, stdout) == (1, "")
    assert "unknown command: 'foo'" in stderr
    status, stdout, stderr = run("hmp", box.address, "foo", "--no-check")
    assert (status, stdout, stderr) == (0, "unknown command: 'foo'\n", "")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), 1),
        (("--match", "device=b"), 2),
        (("--match", "n=3"), 3),
        (("--match", "a.b=true"), 4),
        (("--match", "device=b", "--match", "n=5"), 5),
    ],
)
def test_waiting_for_an_event(options: tuple[str, ...], wanted: int) -> None:
    data = [
        {"device": "a", "n": 1},
        {"device": "b", "n": 2},
        {"n": 3},
        {"a": {"b": True}, "n": 4},
        {"device": "b", "n": 5},
    ]
    told = threading.Event()

    def talk(peer: Talk) -> None:
        peer.negotiate()
        while not told.is_set() and not peer.is_over.is_set():
            for each in data:
                event = {"event": "GONE", "data": each}
                peer.send(json.dumps(event).encode() + b"\r\n")
            told.wait(0.05)

    with by_hand(talk) as address:
        status, stdout, stderr = run("wait", address, "GO*", *options, "--timeout", "9")
        told.set()
    assert (status, stderr) == (0, "")
    shown = json.loads(stdout)
    assert (shown["event"], shown["data"]["n"]) == ("GONE", wanted)


@pytest.mark.parametrize(
    ("words", "data"),
    [
        (("STOP", "stop"), {}),
        (("RESUME", "--timeout", "9", "cont"), {}),
        (
            (
                *("DEVICE_TRAY_MOVED", "--match", "device=ide1-cd0"),
                *("eject", "device=ide1-cd0", "force:=true"),
            ),
            {
                "device": "ide1-cd0",
                "id": "/machine/unattached/device[23]",
                "tray-open": True,
            },
        ),
    ],
    ids=["bare", "behind an option", "with arguments"],
)
def test_waiting_for_what_a_command_causes(
    words: tuple[str, ...], data: dict[str, object]
) -> None:
    # QEMU serves one client: two programs could not do it.
    with serving("--clients", "1") as served:
        if words[0] == "RESUME":
            assert run("run", served.address, "stop")[0] == 0
        status, stdout, stderr = run("wait", served.address, *words)
    assert (status, stderr) == (0, "")
    shown = json.loads(stdout)
    assert (shown["event"], shown["data"]) == (words[0], data)


def test_where_the_command_is_refused_nothing_is_waited_for(box: Served) -> None:
    assert run("wait", box.address, "STOP", "eject", "device=foobar") == (
        1,
        "",
        "qmpx: DeviceNotFound: Device 'foobar' not found\n",
    )
    resize = ("block_resize", "device=ide0-hd0", "size=1024")
    status, stdout, stderr = run("wait", box.address, "STOP", *resize)
    assert (status, stdout) == (1, "")
    assert stderr == (
        "qmpx: GenericError: Invalid parameter type for 'size', expected: integer\n"
        "'size=1024' gives a text; for anything else write size:=1024\n"
    )


def test_an_event_that_does_not_come_is_status_4(box: Served) -> None:
    ended = run("wait", box.address, "STOP", "--timeout", "0.1")
    assert ended == (4, "", "qmpx: no event STOP within 0.1 s\n")
    status, _, stderr = run("wait", box.address, "STOP", "--match", "x")
    assert (status, "expected key=value" in stderr) == (2, True) or status == 6


def test_a_screenshot(box: Served, tmp_path: Path) -> None:
    path = tmp_path / "screen.png"
    status, stdout, stderr = run("screenshot", box.address, path, "--json")
    assert (status, stderr) == (0, "")
    assert json.loads(stdout) == {"file": str(path), "width": 720, "height": 400}
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert run("screenshot", box.address, path)[:2] == (0, "")
    status, _, stderr = run("screenshot", box.address, tmp_path / "no" / "x.png")
    assert status != 0
    assert "cannot write" in stderr


def test_typing(box: Served) -> None:
    assert run("type", box.address, "Abc1!", "--json") == (0, '{"typed": 5}\n', "")
    assert run("type", box.address, "-", "-e", "--json", stdin="x") == (
        0,
        '{"typed": 2}\n',
        "",
    )
    status, stdout, stderr = run("type", box.address, "ü")
    assert stdout == ""
    assert status != 0
    assert "'ü'" in stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_knows_few_characters(box: Served, encoding: str) -> None:
    ended = qmpx("tree", box.address, "qdev", PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "`-- " in ended.stdout


def test_what_starts_no_job_is_told(box: Served) -> None:
    status, _, stderr = run("job", box.address, "run", "query-status", "--quiet")
    assert status == 1
    assert stderr.splitlines()[-1] == "'query-status' starts no job: see 'qmpx run'"


def test_no_jobs(box: Served) -> None:
    assert run("job", box.address) == (0, "", "no jobs\n")
    assert run("job", box.address, "list", "--json") == (0, "[]\n", "")
    status, _, stderr = run("job", box.address, "cancel", "nope")
    assert (status, "nope" in stderr or "not found" in stderr.lower()) == (1, True)
    assert run("job", box.address, "cancel")[0] != 0


def test_trees(box: Served) -> None:
    status, stdout, stderr = run("tree", box.address, "qom", "--depth", "1")
    assert (status, stderr) == (0, "")
    assert stdout.splitlines()[0] == "/machine"
    assert "── peripheral  (container)" in stdout
    status, stdout, _ = run("tree", box.address, "block", "--json")
    assert (status, json.loads(stdout).keys()) == (0, {"nodes", "edges"})
    status, stdout, _ = run("tree", box.address, "block", "--svg")
    assert (status, stdout.startswith("<svg ")) == (0, True)
    status, _, stderr = run("tree", box.address, "--svg")
    assert "say 'block'" in stderr


def steps(stdout: str) -> dict[str, bool]:
    """Return what the doctor looked at, and whether it was well."""
    return {each["step"]: each["ok"] for each in json.loads(stdout)}


def test_a_monitor_that_is_well(box: Served) -> None:
    status, stdout, stderr = run("doctor", box.address, "--json")
    assert (status, stderr) == (0, "")
    found = steps(stdout)
    assert set(found.values()) == {True}
    assert [*found] == [
        *("socket", "permission", "listener", "process", "held by", "greeting"),
        *("out of band", "in band", "machine"),
    ]
    status, stdout, _ = run("doctor", box.address)
    assert all(line.startswith("ok ") for line in stdout.splitlines())


def test_no_socket_and_no_server(tmp_path: Path) -> None:
    status, stdout, _ = run("doctor", tmp_path / "none", "--json")
    assert (status, steps(stdout)) == (3, {"socket": False, "connection": False})
    with short_directory() as folder:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(folder / "left"))
        status, stdout, _ = run("doctor", folder / "left")
    assert status == 3
    assert "BAD  connection:" in stdout
    assert "left its socket behind" in stdout


def test_a_monitor_that_another_client_holds() -> None:
    with (
        serving("--clients", "1") as server,
        package.connect(server.path),
    ):
        status, stdout, _ = run("doctor", server.address, "--timeout", "0.5", "--json")
    assert status == 3
    found = json.loads(stdout)
    held = next(each for each in found if each["step"] == "held by")
    assert "pid" in held["found"]
    assert not steps(stdout)["greeting"]


def test_a_completion_script_for_bash() -> None:
    ended = qmpx("completion", "bash")
    assert ended.returncode == 0
    for words, wanted in [
        (["qmpx", "scr"], "screenshot"),
        (["qmpx", "schema", "che"], "check"),
        (["qmpx", "run", "--tim"], "--timeout"),
        (["qmpx", "tree", "x.sock", "qd"], "qdev"),
        (["qmpx", "completion", "z"], "zsh"),
    ]:
        script = (
            f"{ended.stdout}\nCOMP_WORDS=({' '.join(words)})\n"
            f"COMP_CWORD={len(words) - 1}\n_qmpx\necho ${{COMPREPLY[@]}}"
        )
        shell = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS
        )
        assert (shell.stdout.split(), shell.stderr) == ([wanted], "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_name_every_command(shell: str) -> None:
    ended = qmpx("completion", shell)
    assert (ended.returncode, ended.stderr) == (0, "")
    for name in ("run", "screenshot", "doctor", "introspect", "--timeout"):
        assert name.lstrip("-") in ended.stdout
    if path := shutil.which(shell):
        checked = subprocess.run(
            [path, "-n"],
            input=ended.stdout,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert (checked.returncode, checked.stderr) == (0, "")
