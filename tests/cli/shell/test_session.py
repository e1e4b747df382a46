"""The shell without a terminal: lines in, answers out."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import by_hand
from tests.programs import ENVIRONMENT, QMPX, qmpx, serving, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Talk
    from tests.programs import Served

pytestmark = pytest.mark.slow  # each starts a program: 0.2 s


def shell(address: str, lines: str, *options: str) -> tuple[int, str, str]:
    """Enter lines; return the status, and what was printed where."""
    ended = qmpx("shell", address, *options, stdin=lines)
    return ended.returncode, ended.stdout, ended.stderr


def test_each_answer_is_a_line(box: Served) -> None:
    lines = 'query-name\n\n# a remark\n{"execute": "query-kvm",\n "arguments": {}}\n'
    status, stdout, stderr = shell(box.address, lines)
    assert (status, stderr) == (0, "")
    assert [json.loads(line) for line in stdout.splitlines()] == [
        {"name": "box"},
        {"enabled": False, "present": False},
    ]


def test_what_fails_is_told_and_the_rest_is_done(box: Served) -> None:
    lines = "eject device=foobar\nfrob\nblock_resize size=big\nquery-name\n"
    status, stdout, stderr = shell(box.address, lines)
    assert (status, stdout) == (1, '{"name": "box"}\n')
    assert stderr.splitlines() == [
        "DeviceNotFound: Device 'foobar' not found",
        "CommandNotFound: The command frob has not been found",
        "'size' is a number, such as 512 or 4G, not 'big'",
    ]


def test_a_misspelt_command_is_corrected(box: Served) -> None:
    _, _, stderr = shell(box.address, "query-statsu\n")
    assert "did you mean" in stderr
    assert "'query-status'" in stderr


def test_the_choice_of_events_is_told_and_what_is_none_of_them(box: Served) -> None:
    lines = "events STOP 'JOB*' '!RTC_*' '!FOO' STOPP\nevents '!STOP'\nevents\n"
    status, stdout, stderr = shell(box.address, lines)
    assert (status, stdout) == (0, "")
    assert stderr.splitlines() == [
        "events are shown whose name is STOP or JOB* or STOPP and is not RTC_* or FOO",
        "no event of this machine is called FOO",
        "no event of this machine is called STOPP",
        "events are shown whose name is not STOP",
        "all events are shown",
    ]


def test_help_fits_a_small_terminal(box: Served) -> None:
    status, stdout, stderr = shell(box.address, "help\ncpu 3\n")
    assert (status, stderr) == (0, "processor: 3\n")
    assert max(map(len, stdout.splitlines())) < 80


def test_a_human_line_that_fails_is_a_failure(box: Served) -> None:
    assert shell(box.address, "hmp info status\n") == (0, "VM status: running\n", "")
    status, stdout, stderr = shell(box.address, "foo\n", "--hmp")
    assert (status, stdout) == (1, "")
    assert stderr == "unknown command: 'foo'\n"


def test_an_empty_transaction_is_not_sent(box: Served) -> None:
    status, stdout, stderr = shell(box.address, "transaction(\n)\n")
    assert (status, stdout) == (0, "")
    assert stderr == "nothing was in that transaction; nothing was sent\n"


def test_a_transaction_is_sent_at_its_end() -> None:
    sent = []

    def talk(peer: Talk) -> None:
        peer.negotiate()
        for _ in range(10):
            line = peer.line()
            if not line:
                return
            message = json.loads(line)
            sent.append(message)
            reply = {"return": {}, "id": message["id"]}
            if message["execute"].startswith("query-"):
                error = {"class": "CommandNotFound", "desc": "no"}
                reply = {"error": error, "id": message["id"]}
            peer.send(json.dumps(reply).encode() + b"\n")

    with by_hand(talk) as address:
        lines = 'transaction(\na x=1\n{"type": "b", "data": {"y": "2"}}\n)\n'
        assert shell(address, lines)[:2] == (0, "{}\n")
    actions = [{"type": "a", "data": {"x": 1}}, {"type": "b", "data": {"y": "2"}}]
    assert sent[-1]["execute"] == "transaction"
    assert sent[-1]["arguments"] == {"actions": actions}


def test_what_a_peer_says_is_escaped() -> None:
    def talk(peer: Talk) -> None:
        peer.negotiate()
        for _ in range(10):
            line = peer.line()
            if not line:
                return
            message = json.loads(line)
            if message["execute"] == "look":
                reply: object = {"return": ["\x1b[2J\x9b"], "id": message["id"]}
            else:
                desc = "no \x1b[2J"
                reply = {
                    "error": {"class": "CommandNotFound", "desc": desc},
                    "id": message["id"],
                }
            peer.send(json.dumps(reply, ensure_ascii=False).encode() + b"\n")

    with by_hand(talk) as address:
        status, stdout, stderr = shell(address, "look\nfail\n")
    assert status == 1
    assert stdout == '["\\u001b[2J\\x9b"]\n'
    assert stderr.endswith("CommandNotFound: no \\x1b[2J\n")
    assert "\x1b" not in stdout + stderr


def test_the_conversation_is_written_down_without_secrets(
    box: Served, tmp_path: Path
) -> None:
    path = tmp_path / "talk.jsonl"
    lines = "set_password protocol=vnc password=geheim\nquery-name\n"
    shell(box.address, lines, "--record", str(path))
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    messages = [entry["msg"] for entry in entries]
    assert "QMP" in messages[0]
    assert "geheim" not in path.read_text()
    names = [message.get("execute") for message in messages]
    assert names[-2:] == ["query-name", None]
    assert {entry["dir"] for entry in entries} == {"->", "<-"}
    assert path.stat().st_mode & 0o77 == 0


def test_what_crosses_the_wire_is_shown(box: Served) -> None:
    _, _, stderr = shell(box.address, "query-name\n", "--verbose")
    lines = stderr.splitlines()
    assert any(line.startswith('-> {"execute":"query-name"') for line in lines)
    assert any(line.startswith('<- {"return": {"name": "box"}') for line in lines)


def test_the_address_may_come_from_the_environment(box: Served) -> None:
    ended = qmpx("shell", stdin="query-name\n", QMP_SOCKET=box.address)
    assert (ended.returncode, ended.stdout) == (0, '{"name": "box"}\n')
    ended = qmpx("run", "-", "query-name", QMP_SOCKET=box.address)
    assert (ended.returncode, ended.stdout) == (0, '{"name": "box"}\n')


def test_without_any_address_a_pipe_is_told_so() -> None:
    ended = qmpx("shell", stdin="query-name\n")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "set QMP_SOCKET" in ended.stderr
    ended = qmpx("run", "-", "query-name")
    assert ended.returncode == 2
    assert "QMP_SOCKET, which is not set" in ended.stderr


def test_a_machine_of_its_own() -> None:
    ended = qmpx("shell", "--demo", stdin="query-name\nexit\nquery-name\n")
    assert (ended.returncode, ended.stdout) == (0, '{"name": "demo"}\n')


def test_a_monitor_of_2010_is_completed_by_names() -> None:
    with serving("--dialect", "2010") as server:
        status, stdout, stderr = shell(server.address, "query-name\nhelp\nstpo\n")
    assert status == 1
    assert stdout.startswith("{}\n")
    assert "'help NAME' tells about each" in stdout
    assert "did you mean 'stop'" in stderr


@pytest.mark.skipif(shutil.which("script") is None, reason="script is not installed")
def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    hide = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('rich', 'prompt_toolkit') "
        "else find(name, *a)\n"
        "import qmpx.cli; sys.exit(qmpx.cli.main(['shell', '--demo']))\n"
    )
    program = tmp_path / "hidden.py"
    program.write_text(hide)
    python = QMPX.parent / "python"
    ended = subprocess.run(
        ["script", "-qec", f"{python} {program}", "/dev/null"],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode != 0
    text = (
        "prompt_toolkit and rich, which are not installed: "
        "pip install prompt_toolkit rich"
    )
    assert text in " ".join(ended.stdout.split())


def test_help_says_what_the_documentation_says(box: Served, tmp_path: Path) -> None:
    first = tmp_path / "qapi-schema.json"
    first.write_text(
        "##\n# @query-name:\n#\n# How it is called.\n##\n{ 'command': 'query-name' }\n"
    )
    status, stdout, stderr = shell(
        box.address, "help query-name\n", "--schema", str(tmp_path)
    )
    assert (status, stderr) == (0, "")
    assert stdout.splitlines()[:2] == ["command query-name", "  How it is called."]


def test_a_schema_that_cannot_be_read_is_told(box: Served, tmp_path: Path) -> None:
    status, stdout, stderr = shell(
        box.address, "query-name\n", "--schema", str(tmp_path)
    )
    assert (status, stdout) == (1, "")
    assert "there is no qapi-schema.json in it" in stderr


@pytest.mark.parametrize("switch", ["-p", "--pretty"])
def test_answers_are_indented_on_demand(box: Served, switch: str) -> None:
    assert shell(box.address, "query-name\n", switch) == (
        0,
        '{\n  "name": "box"\n}\n',
        "",
    )


@pytest.mark.parametrize("switch", ["-l", "--log", "--record"])
def test_the_conversation_is_written_down(
    box: Served, tmp_path: Path, switch: str
) -> None:
    file = tmp_path / "talk.jsonl"
    shell(box.address, "query-name\n", switch, str(file))
    lines = file.read_text().splitlines()
    messages = [json.loads(line).get("msg", {}) for line in lines]
    names = [message["execute"] for message in messages if "execute" in message]
    assert (names[0], names[-1]) == ("qmp_capabilities", "query-name")
    assert [m for m in messages if m.get("return") == {"name": "box"}] != []


def test_verbose_shows_what_crosses_the_wire(box: Served) -> None:
    _, stdout, stderr = shell(box.address, "query-name\n", "-v")
    assert stdout == '{"name": "box"}\n'
    assert '-> {"execute":"query-name"' in stderr
    assert '<- {"return": {"name": "box"}' in stderr


@pytest.fixture
def agent_socket() -> Iterator[str]:
    """Give the socket of a guest agent that knows two commands."""
    replies = {
        "guest-info": {
            "supported_commands": [
                {"name": name, "enabled": True}
                for name in ("guest-ping", "guest-get-host-name")
            ]
        },
        "guest-ping": {},
        "guest-get-host-name": {"host-name": "guest"},
    }

    def talk(peer: Talk) -> None:
        while line := peer.line().lstrip(b"\xff"):
            command = json.loads(line)
            name = command["execute"]
            if name == "guest-sync-delimited":
                number = command["arguments"]["id"]
                peer.send(b'\xff{"return": %d}\n' % number)
            elif name in replies:
                peer.send(json.dumps({"return": replies[name]}).encode() + b"\n")
            else:
                text = f"The command {name} has not been found"
                error = {"class": "CommandNotFound", "desc": text}
                peer.send(json.dumps({"error": error}).encode() + b"\n")

    with by_hand(talk) as address:
        yield address


def test_a_guest_agent_is_talked_with(agent_socket: str) -> None:
    lines = "guest-ping\nguest-get-host-name\nhelp guest-ping\noob guest-ping\nfrob\n"
    unknown = "The command frob has not been found"
    status, stdout, stderr = shell(agent_socket, lines, "-N", "-v")
    assert (status, stdout.splitlines()) == (
        1,
        [
            "{}",
            '{"host-name": "guest"}',
            "guest-ping",
            "  this peer tells names only, and no arguments",
        ],
    )
    assert stderr.splitlines() == [
        '-> {"execute": "guest-ping"}',
        '<- {"return": {}}',
        '-> {"execute": "guest-get-host-name"}',
        '<- {"return": {"host-name": "guest"}}',
        "the guest agent runs nothing out of band, and not 'guest-ping' either",
        '-> {"execute": "frob"}',
        f'<- {{"error": {{"class": "CommandNotFound", "desc": "{unknown}"}}}}',
        f"CommandNotFound: {unknown}",
    ]


def test_a_refusal_says_which_role_and_what_to_do(box: Served) -> None:
    with sharing(box.path, "--role", "observe") as place:
        status, stdout, stderr = shell(str(place), "help\nstop\n")
        refused = qmpx("run", str(place), "stop")
    advice = (
        "query-commands lists what the role observe allows; "
        "whoever runs the gateway can give another"
    )
    said = "GenericError: The role observe does not allow stop here: no rule allows it "
    assert (status, stderr.splitlines()) == (1, [f"{said}(class C1)", advice])
    assert "help NAME" in stdout
    assert refused.returncode == 5
    assert refused.stderr.splitlines() == [f"qmpx: {said}(class C1)", advice]
