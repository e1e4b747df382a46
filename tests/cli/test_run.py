"""``qmpx run``: what it prints where, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import by_hand
from tests.programs import ENVIRONMENT, QMPX, SECONDS, qmpx

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Talk
    from tests.programs import Served

pytestmark = pytest.mark.slow  # each starts a program: 0.1 s

Outcome = tuple[int, str, str]


def run(*arguments: str, **environment: str) -> Outcome:
    """Run the command; return its status, and what it printed where."""
    ended = qmpx("run", *arguments, **environment)
    return ended.returncode, ended.stdout, ended.stderr


def test_what_the_command_returns_is_all_that_is_printed(box: Served) -> None:
    status = '{"status":"running","singlestep":false,"running":true}\n'
    returncode, stdout, stderr = run(box.address, "query-status")
    assert (returncode, stderr) == (0, "")
    assert stdout.replace(" ", "") == status


def test_the_output_is_one_line_or_indented(box: Served) -> None:
    plain = run(box.address, "query-block")
    pretty = run(box.address, "query-block", "--pretty")
    assert plain[1].count("\n") == 1
    assert json.loads(plain[1]) == json.loads(pretty[1])
    assert pretty[1] == json.dumps(json.loads(plain[1]), indent=2) + "\n"


@pytest.mark.parametrize("option", ["-p", "--pretty"])
def test_what_is_empty_is_printed_too(box: Served, option: str) -> None:
    assert run(box.address, "cont") == (0, "{}\n", "")
    assert run(box.address, "query-fdsets", option) == (0, "[]\n", "")


def test_the_address_may_come_from_the_path_alone(box: Served) -> None:
    assert run(str(box.path), "query-name") == (0, '{"name": "box"}\n', "")


def test_out_of_band(box: Served) -> None:
    returncode, stdout, _ = run(box.address, "query-yank", "--oob")
    assert returncode == 0
    assert json.loads(stdout) == [{"type": "chardev", "id": "compat_monitor0"}]
    refusal = "qmpx: GenericError: The command query-name does not support OOB\n"
    assert run(box.address, "query-name", "--oob") == (1, "", refusal)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eject", "device=foobar"], "DeviceNotFound: Device 'foobar' not found"),
        (["nope"], "CommandNotFound: The command nope has not been found"),
        (["eject", "device:=1"], "device', expected: string"),
        (["query-name", "x=1"], "GenericError: Parameter 'x' is unexpected"),
        (["query-balloon"], "DeviceNotActive: No balloon device has been activated"),
    ],
)
def test_a_refusal_is_told_on_standard_error(
    box: Served, words: list[str], message: str
) -> None:
    returncode, stdout, stderr = run(box.address, *words)
    assert (returncode, stdout) == (1, "")
    assert stderr.startswith("qmpx: ")
    assert stderr.endswith(f"{message}\n")


def test_a_command_that_there_is_not_comes_with_what_was_meant(box: Served) -> None:
    returncode, stdout, stderr = run(box.address, "query-statsu")
    assert (returncode, stdout) == (1, "")
    assert stderr == (
        "qmpx: CommandNotFound: The command query-statsu has not been found\n"
        "did you mean 'query-stats' or 'query-status' or 'query-blockstats'?\n"
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"",  # it hangs up
        b'{"error": {"class": "CommandNotFound", "desc": "x"}, "id": 3}\r\n',
        b'{"return": 5, "id": 3}\r\n',
        b'{"return": [{}], "id": 3}\r\n',
        b'{"return": [{"name": "other"}], "id": 3}\r\n',
    ],
)
def test_where_nobody_knows_what_was_meant_nothing_is_said(answer: bytes) -> None:
    def talk(peer: Talk) -> None:
        peer.negotiate()
        peer.line()
        peer.send(b'{"error": {"class": "CommandNotFound", "desc": "no x"}, "id": 2}\n')
        assert json.loads(peer.line()) == {"execute": "query-commands", "id": 3}
        peer.send(answer)

    with by_hand(talk) as address:
        assert run(address, "x") == (1, "", "qmpx: CommandNotFound: no x\n")


def sent(*words: str) -> Any:
    """Run the command against a server by hand; return what it sent."""
    commands = []

    def talk(peer: Talk) -> None:
        peer.negotiate()
        commands.append(json.loads(peer.line()))
        peer.send(b'{"return": 1, "id": 2}\r\n')
        peer.line()

    with by_hand(talk) as address:
        assert run(address, *words) == (0, "1\n", "")
    return commands[0]


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["a=b"], {"a": "b"}),
        (["a=1", "b=", "c=x=y"], {"a": "1", "b": "", "c": "x=y"}),
        (["a=:=", "b=true"], {"a": ":=", "b": "true"}),
        (["a:=1", "b:=1.5"], {"a": 1, "b": 1.5}),
        (["a:=true", "b:=null"], {"a": True, "b": None}),
        (['a:="s"', "b:=[1, {}]"], {"a": "s", "b": [1, {}]}),
        (['a:={"b": []}'], {"a": {"b": []}}),
        (["a.b.c=1", "a.d:=2"], {"a": {"b": {"c": "1"}, "d": 2}}),
        (["node-name=n", "ü=ö"], {"node-name": "n", "ü": "ö"}),
        (["a:=18446744073709551615"], {"a": 18446744073709551615}),
        (["a=1", "--timeout", "5", "b=2"], {"a": "1", "b": "2"}),
        (["--pretty", "a=1"], {"a": "1"}),
        (["a=-1", "b=--x"], {"a": "-1", "b": "--x"}),
    ],
)
def test_arguments_as_people_type_them(
    words: list[str], arguments: dict[str, Any]
) -> None:
    assert sent("the-command", *words) == {
        "execute": "the-command",
        "arguments": arguments,
        "id": 2,
    }


def test_without_arguments_none_are_sent() -> None:
    assert sent("the-command") == {"execute": "the-command", "id": 2}


def test_out_of_band_is_enabled_when_it_is_wanted() -> None:
    negotiations = []

    def talk(peer: Talk) -> None:
        peer.send(b'{"QMP": {"version": {}, "capabilities": ["oob"]}}\n')
        negotiations.append(json.loads(peer.line()))
        peer.send(b'{"return": {}, "id": 1}\n')
        negotiations.append(json.loads(peer.line()))
        peer.send(b'{"return": {}, "id": 2}\n')
        peer.line()

    with by_hand(talk) as address:
        assert run(address, "yank", "--oob") == (0, "{}\n", "")
    with by_hand(talk) as address:
        assert run(address, "yank") == (0, "{}\n", "")
    negotiate = {"execute": "qmp_capabilities", "id": 1}
    assert negotiations == [
        {**negotiate, "arguments": {"enable": ["oob"]}},
        {"exec-oob": "yank", "id": 2},
        negotiate,
        {"execute": "yank", "id": 2},
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: ADDRESS, COMMAND"),
        (["a.sock"], "the following arguments are required: COMMAND"),
        (["unix:", "x"], "address 'unix:' has no path"),
        (["a.sock", "x", "word"], "'word' is no argument: expected key=value"),
        (["a.sock", "x", "=v"], "'=v' is no argument"),
        (["a.sock", "x", ":=1"], "':=1' is no argument"),
        (["a.sock", "x", "k:=word"], "'k:=word': what follows ':=' is no JSON"),
        (["a.sock", "x", "k:=NaN"], "JSON has no NaN"),
        (["a.sock", "x", "k:=" + "[" * 100_000], "what follows ':=' is no JSON"),
        (["a.sock", "x", "a=1", "a=2"], "'a' was given before"),
        (["a.sock", "x", "a=1", "a.b=2"], "'a' was given another value before"),
        (["a.sock", "x", "a.b=1", "a=2"], "'a' was given before"),
        (["a.sock", "x", "a..b=1"], "a name is empty"),
        (["a.sock", "x", "--timeout", "0"], "'0' is no number of seconds above zero"),
        (["a.sock", "x", "--timeout", "nan"], "'nan' is no number of seconds"),
        (["a.sock", "x", "--timeout", "soon"], "'soon' is no number of seconds"),
        (["a.sock", "x", "--nope"], "unrecognized arguments: --nope"),
        (["a.sock", "x", "a=1", "-x", "b=2"], "unrecognized arguments: -x b=2"),
    ],
)
def test_what_cannot_be_understood_is_status_2(words: list[str], message: str) -> None:
    returncode, stdout, stderr = run(*words)
    assert (returncode, stdout) == (2, "")
    assert stderr.startswith("qmpx")
    assert message in stderr
    assert "Traceback" not in stderr


def test_status_3_a_socket_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "qmp.sock"
    returncode, stdout, stderr = run(str(path), "query-status")
    assert (returncode, stdout) == (3, "")
    assert stderr.startswith(f"qmpx: cannot talk to unix:{path}: there is no socket")
    assert f"start QEMU with -qmp unix:{path},server=on,wait=off" in stderr


def test_status_3_a_socket_without_a_listener(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    returncode, stdout, stderr = run(str(path), "query-status")
    assert (returncode, stdout) == (3, "")
    assert f"nobody listens on {str(path)!r}" in stderr


def test_status_3_a_file_that_is_no_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.touch()
    returncode, stdout, stderr = run(str(path), "query-status")
    assert (returncode, stdout) == (3, "")
    assert f"{str(path)!r} is a regular file, not a socket" in stderr


def test_status_3_a_monitor_that_says_nothing() -> None:
    with by_hand(lambda peer: peer.line()) as address:
        outcome = run(address, "query-status", "--connect-timeout", "0.2")
    returncode, stdout, stderr = outcome
    assert (returncode, stdout) == (3, "")
    assert f"cannot talk to {address}: pid {os.getpid()} " in stderr
    assert "sends no greeting (waited 0.2 s)" in stderr


def test_status_3_a_monitor_that_another_client_holds() -> None:
    def hold(peer: Talk) -> None:
        peer.line()  # a second client would not even come so far

    with by_hand(hold) as address, socket.socket(socket.AF_UNIX) as holder:
        holder.connect(address.removeprefix("unix:"))
        outcome = run(address, "query-status", "--connect-timeout", "0.2")
    returncode, stdout, stderr = outcome
    assert (returncode, stdout) == (3, "")
    assert "cannot talk to" in stderr


def test_status_4_no_reply_in_time(box: Served, tmp_path: Path) -> None:
    fifo = tmp_path / "secret"
    os.mkfifo(fifo)
    words = ["object-add", "qom-type=secret", "id=s", f"file={fifo}"]
    outcome = run(box.address, *words, "--timeout", "0.2")
    fifo.write_bytes(b"letmein")
    assert outcome == (4, "", "qmpx: no reply to 'object-add' within 0.2 s\n")


@pytest.mark.parametrize("seconds", ["1e30", "inf"])
def test_a_deadline_may_be_as_far_away_as_one_likes(box: Served, seconds: str) -> None:
    far = "--timeout", seconds, "--connect-timeout", seconds
    assert run(box.address, "query-name", *far) == (0, '{"name": "box"}\n', "")


def hang_up(peer: Talk) -> None:
    peer.negotiate()
    peer.line()


def talk_nonsense(peer: Talk) -> None:
    peer.negotiate()
    peer.line()
    peer.send(b"nonsense\x1b[2J\r\n")


def dig_deep(peer: Talk) -> None:
    peer.negotiate()
    peer.line()
    peer.send(b'{"return": ' + b"[" * 100_000 + b"]" * 100_000 + b', "id": 2}\r\n')
    peer.line()


@pytest.mark.parametrize(
    ("talk", "message"),
    [
        (hang_up, "the peer closed the connection"),
        (dig_deep, "the server sent what is no QMP message"),
        (talk_nonsense, "the server sent what is no QMP message"),
        (lambda peer: peer.send(b"SSH-2.0-OpenSSH_9\r\n"), "is no QMP message"),
        (lambda _: None, "the peer closed the connection"),
    ],
)
def test_status_6_a_conversation_that_breaks_off(talk: Any, message: str) -> None:
    with by_hand(talk) as address:
        returncode, stdout, stderr = run(address, "x", "--connect-timeout", "2")
    assert (returncode, stdout) == (6, "")
    assert message in stderr
    assert "\x1b" not in stderr


def test_status_130_interrupted() -> None:
    def talk(peer: Talk) -> None:
        peer.negotiate()
        assert b'"x"' in peer.line()
        process.send_signal(signal.SIGINT)
        peer.line()

    with (
        by_hand(talk) as address,
        subprocess.Popen(
            [QMPX, "run", address, "x"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        ) as process,
    ):
        outcome = process.communicate(timeout=SECONDS)
    assert (process.returncode, *outcome) == (130, "", "")


ODD = {"return": {"a\x9b\x7fb": "\u202e\x1b[2J\U000e0001 ü"}, "id": 2}


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("options", [(), ("--pretty",)])
def test_what_a_peer_returns_is_harmless_on_a_terminal(
    ascii_only: bool, options: tuple[str, ...]
) -> None:
    def talk(peer: Talk) -> None:
        peer.negotiate()
        peer.line()
        peer.send(json.dumps(ODD, ensure_ascii=ascii_only).encode() + b"\r\n")
        peer.line()

    with by_hand(talk) as address:
        returncode, stdout, stderr = run(address, "x", *options)
    assert (returncode, stderr) == (0, "")
    assert json.loads(stdout) == ODD["return"]
    assert stdout.replace("\n", "").isprintable()


def test_what_a_peer_refuses_with_is_harmless_on_a_terminal() -> None:
    def talk(peer: Talk) -> None:
        peer.negotiate()
        peer.line()
        error = {"class": "A\x1b[2J", "desc": "\x1b]0;title\x07 \x9b2J\r \u202e"}
        reply = {"error": error, "id": 2}
        peer.send(json.dumps(reply, ensure_ascii=False).encode() + b"\r\n")
        peer.line()

    with by_hand(talk) as address:
        returncode, stdout, stderr = run(address, "x")
    assert (returncode, stdout) == (1, "")
    assert stderr == ("qmpx: A\\x1b[2J: \\x1b]0;title\\x07 \\x9b2J\\r \\u202e\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("size=8",), "'size=8' gives a text; for anything else write size:=8"),
        (("size=8G",), "'size=8G' gives a text; for anything else write size:=JSON"),
        (("size:=true",), ""),
    ],
)
def test_a_text_where_a_number_belongs(
    box: Served, words: tuple[str, ...], hint: str
) -> None:
    told = "qmpx: GenericError: Invalid parameter type for 'size', expected: integer\n"
    expected = told + (f"{hint}\n" if hint else "")
    assert run(box.address, "block_resize", "device=x", *words) == (1, "", expected)


@pytest.mark.parametrize("words", [["run", "query-name"], ["hmp", "info name"]])
def test_output_that_cannot_be_written(box: Served, words: list[str]) -> None:
    name, *rest = words
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [QMPX, name, box.address, *rest],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    said = "qmpx: cannot write the output: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (2, said)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_before(box: Served, closed: str) -> None:
    command = f"{QMPX} run {box.address} query-name {closed}"
    ended = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    shown = "" if ">&- " in f"{closed} ".replace("2>&-", "") else '{"name": "box"}\n'
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, shown, "")
