"""``qmpx --help`` and what the command line says of itself."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import qmpx
from tests.programs import ENVIRONMENT, SECONDS
from tests.programs import qmpx as run

pytestmark = pytest.mark.slow  # each starts a program: 0.1 s


@pytest.mark.parametrize(
    ("words", "contents"),
    [
        (
            [],
            [
                *("run", "events", "serve", "demo", "--version"),
                *("exit status:", "0  done", "1  the peer's error", "2  usage"),
                *("3  no connection", "4  no reply", "6  connection lost"),
                *("130  interrupted", "unix:/run/vm/qmp.sock", "fd:3", "[::1]:4444"),
            ],
        ),
        (
            ["run"],
            [
                *("ADDRESS", "COMMAND", "ARGUMENT", "key=value", "key:=JSON"),
                *("--pretty", "--oob", "--timeout", "(default: 30)"),
                *("--connect-timeout", "(default: 10)", "eject device=ide1-cd0"),
            ],
        ),
        (
            ["events"],
            [
                "ADDRESS",
                "PATTERN",
                "--count",
                "--timeout",
                "(default: none)",
                "status 4",
            ],
        ),
        (
            ["serve"],
            [
                *("--qmp", "--dialect", "{modern,2010}", "--name", "--uuid"),
                *("--paused", "--clients", "--allow-remote", "(default: modern)"),
            ],
        ),
        (["schema"], ["check", "introspect", "show"]),
        (["schema", "check"], ["FILE", "--json", "--qemu VERSION"]),
        (
            ["schema", "introspect"],
            ["FILE|ADDRESS", "--json", "--define SYMBOL", "--unmasked", "--timeout"],
        ),
        (["schema", "show"], ["FILE|ADDRESS", "NAME", "--json"]),
        (["demo"], ["--qemu"]),
        (["shell"], ["--demo", "--hmp", "--record FILE", "--yes", "QMP_SOCKET"]),
        (["hmp"], ["LINE", "--cpu N", "--no-check", "--json"]),
        (["wait"], ["EVENT", "--match KEY=VALUE", "(default: none)", "--json"]),
        (["screenshot"], ["FILE.png", "--device ID", "--head N", "--json"]),
        (["type"], ["TEXT", "--enter", "--json"]),
        (["job"], ["ACTION", "WORD", "cancel", "--quiet", "--json"]),
        (["migrate"], ["URI", "--quiet", "--json"]),
        (["tree"], ["qom, qdev or block", "--svg", "--depth N", "--json"]),
        (["doctor"], ["--timeout S", "(default: 5)", "--json"]),
        (["top"], ["ADDRESS", "--interval S", "--count N", "--json"]),
        (["completion"], ["{bash,zsh,fish}"]),
    ],
)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_helps(words: list[str], contents: list[str], option: str) -> None:
    ended = run(*words, option, COLUMNS="80")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(" ".join(["usage: qmpx", *words]))
    text = " ".join(ended.stdout.split())
    assert [each for each in contents if " ".join(each.split()) not in text] == []
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_the_version() -> None:
    ended = run("--version")
    expected = (0, f"qmpx {qmpx.__version__}\n", "")
    assert (ended.returncode, ended.stdout, ended.stderr) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "qmpx: there is no command 'fly'\n"),
        (["evnets"], "qmpx: there is no command 'evnets'; did you mean 'events'?\n"),
        (["run", "x.sock"], "the following arguments are required: COMMAND\n"),
        (["--fast"], "required: COMMAND"),
    ],
)
def test_what_it_does_not_know_is_status_2(words: list[str], message: str) -> None:
    ended = run(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert re.search(r"Try 'qmpx( run)? --help'\.", ended.stderr)


def test_as_a_module_it_is_the_same() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "qmpx", "--help"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=ENVIRONMENT,
    )
    assert (ended.returncode, ended.stdout) == (0, run("--help").stdout)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["shell", "--help"]])
def test_help_loads_nothing_that_only_a_terminal_needs(words: list[str]) -> None:
    program = (
        "import sys, contextlib, qmpx, qmpx.cli\n"
        "with contextlib.suppress(SystemExit): qmpx.cli.main(sys.argv[1:])\n"
        "extras = {'prompt_toolkit', 'rich', 'textual', 'asyncio'}\n"
        "print(sorted(extras & sys.modules.keys()), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=ENVIRONMENT,
    )
    assert (ended.returncode, ended.stderr) == (0, "[]\n")
