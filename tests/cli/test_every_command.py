"""Each command of the command line, through a pipe and on a terminal."""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from qmpx.cli.main import COMMANDS, make_parser
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS, qmpx, running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # each starts a program: 0.2 s and more


class Row(NamedTuple):
    """A command, and what becomes of it.

    Attributes:
        words: What is typed; names stand for what there is to work on.
        shows: What it says, on standard output if it succeeds.
        status: Its exit status.
        ready: It goes on until it has said this, on standard error; then it is
            interrupted.
        keys: Instead of that, what is typed then: it is a screen.
        lines: Through a pipe, standard input.
        is_talk: Whether it says that on standard error.
    """

    words: str
    shows: str
    status: int = 0
    ready: str = ""
    keys: tuple[str, ...] = ()
    lines: str = ""
    is_talk: bool = False


ROWS = [
    Row("run {box} query-name", '{"name": "box"}'),
    Row("run {box} query-name --json", '{"name": "box"}'),
    Row("events {box} --count 1 --timeout 0.1", "0.1 s", 4, is_talk=True),
    Row("events {nobody}", "cannot talk to", 3, is_talk=True),
    Row(
        "shell {box}",
        '"name": "box"',
        ready="(QEMU)",
        keys=("query-name\r", "exit\r"),
        lines="query-name\n",
    ),
    Row("hmp {box} info status", "VM status: running"),
    Row("hmp {box} info status --json", '"VM status: running'),
    Row("hmp {box} frob", "unknown command: 'frob'", 1, is_talk=True),
    Row("wait {box} STOP --timeout 0.1", "no event STOP within 0.1 s", 4, is_talk=True),
    Row("screenshot {box} {new}.png --json", '"width": 720'),
    Row("type {box} a --json", '{"typed": 1}'),
    Row("job {box}", "no jobs", is_talk=True),
    Row("job {box} --json", "[]"),
    Row("migrate {box} frob:1", "valid migration protocol", 1, is_talk=True),
    Row("tree {box} block", "ide0-hd0"),
    Row("tree {box} block --json", '"ide0-hd0"'),
    Row("tree {box} block --svg", "<svg "),
    Row("doctor {box}", "socket:"),
    Row("doctor {box} --json", '"socket"'),
    Row("doctor {nobody}", "there is no", 3),
    Row("top {box} --count 1", "box", ready="box", keys=("q",)),
    Row("top {box} --count 1 --interval 1", "box", ready="box", keys=("\x03",)),
    Row("top {box} --count 1 --json", '"machine": "box"'),
    Row("completion zsh", "qmpx"),
    Row("serve --qmp unix:{new}", "serving unix:", ready="serving"),
    Row("share {box} --listen unix:{new}", "sharing", ready="sharing"),
    Row("gateway check {config}", "in order"),
    Row("gateway check {config} --json", '"upstreams": 0'),
    Row("gateway check {nobody}", "No such file", 2, is_talk=True),
    Row("audit verify {audit}", "whole: "),
    Row("audit verify {audit} --json", '"'),
    Row("audit show {audit}", " stop"),
    Row("audit show {audit} --json", '"stop"'),
    Row("journal show {journal}", '"event": "STOP"'),
    Row("journal show {journal} --json", '"event": "STOP"'),
    Row("journal list {journal}", "1 to 1"),
    Row("journal list {journal} --json", "1"),
    Row("policy explain {config} stop --role observe", "denied: stop", 5),
    Row("policy explain {config} stop --role observe --json", '"verdict": "deny"', 5),
    Row("policy explain {config} stop --role operate", "allowed: stop"),
    Row("policy show operate", "stop"),
    Row("policy show operate --json", '"stop"'),
    Row("errors DeviceNotFound", "Device '{{device}}' not found"),
    Row("errors DeviceNotFound --json", '"class": "DeviceNotFound"'),
    Row("tour --fast", "1. The format"),
    Row("schema check {schema}", "commands: 1"),
    Row("schema check {schema} --json", '"commands": 1'),
    Row("schema check {nobody}.json", "No such file", 1, is_talk=True),
    Row("schema introspect {schema}", "command go(where: str)"),
    Row("schema introspect {schema} --json", '"meta-type": "command"'),
    Row("schema show {schema} go", "command go"),
    Row("schema show {box} query-name", "command query-name"),
    Row("schema diff {schema} {schema}", ""),
    Row("schema diff {schema} {schema} --json", "["),
    Row("schema lint --against 9.2 {script}", "query-nosuch", 11),
    Row("schema lint --against 9.2 {script} --json", "'query-nosuch'", 11),
    Row("schema generate python {schema} -o {new}.py", ""),
    Row("schema generate json-schema {schema} -o {new}.json", ""),
    Row("schema generate site {schema} -o {new}.site", ""),
    Row("demo", "query-"),
    Row(
        "record {box} --listen unix:{new} -o {new}.jsonl",
        "recording",
        ready="recording",
    ),
    Row("replay {talk} --listen unix:{new}", "replaying", ready="replaying"),
    Row("transcript show {talk}", "query-name"),
    Row("transcript convert {talk} --to arrows", '-> {{"execute'),
    Row("transcript diff {talk} {talk}", ""),
    Row("transcript stats {talk}", "query-name"),
    Row("transcript stats {talk} --json", '"query-name"'),
    Row("standin --fleet 1 --dir {new} -- -machine none", "machine", ready="machine"),
    Row("profile capture {nobody} -o {new}", "nobody", 2, is_talk=True),
    Row("profile show {nobody}", "nobody", 2, is_talk=True),
]


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """Give what there is to work on: a machine, and files of each kind."""
    with short_directory() as folder, serving("--name", "box") as box:
        config, journal = folder / "share.toml", folder / "events.journal"
        text = (
            f'[audit]\npath = "{folder}/audit.jsonl"\n[journal]\npath = "{journal}"\n'
        )
        config.write_text(text)
        listen = f"unix:{folder / 'shared'}"
        words = ["share", box.address, "--listen", listen, "--config", str(config)]
        with running(*words) as process:
            assert process.stderr is not None
            process.stderr.readline()
            lines = "stop\n"
            told = qmpx("shell", listen, "--record", f"{folder}/talk", stdin=lines)
            assert told.returncode == 0, told.stderr
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)
        lines = "query-name\ncont\n"
        (folder / "talk").unlink()
        qmpx("shell", box.address, "--record", f"{folder}/talk", stdin=lines)
        schema, script = folder / "schema.json", folder / "script.py"
        schema.write_text("{ 'command': 'go', 'data': { 'where': 'str' } }\n")
        script.write_text("vm.execute('query-nosuch')\n")
        yield {
            "box": box.address,
            "nobody": str(folder / "nobody"),
            "config": str(config),
            "audit": str(folder / "audit.jsonl"),
            "journal": str(journal),
            "schema": str(schema),
            "script": str(script),
            "talk": str(folder / "talk"),
            "folder": str(folder),
        }


def command_of(row: Row, places: dict[str, str]) -> list[str]:
    """Return the words of a command, each time with a new place for what it makes."""
    number = sum(1 for _ in Path(places["folder"]).iterdir())
    new = str(Path(places["folder"], f"new{number}"))
    return shlex.split(row.words.format(**places, new=new))


def names(row: Row) -> str:
    """Return what a row is called."""
    return row.words


@pytest.mark.parametrize("row", ROWS, ids=names)
def test_through_a_pipe(row: Row, places: dict[str, str]) -> None:
    words = command_of(row, places)
    with subprocess.Popen(
        [QMPX, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            said = ""
            if row.ready and not row.keys:
                assert process.stdout is not None
                assert process.stderr is not None
                both = [process.stdout, process.stderr]
                is_there, _, _ = select.select(both, [], [], SECONDS)
                said = is_there[0].readline()
                process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(row.lines, SECONDS)
        finally:
            process.kill()
    assert process.returncode == row.status, said + stderr
    told = row.shows.replace("{{", "{").replace("}}", "}")
    is_talk = row.is_talk or (row.ready and not row.keys)
    assert told in (said + stderr if is_talk else stdout)
    assert "\x1b" not in stdout + stderr, "colours are for terminals"


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "--json" not in row.words], ids=names
)
def test_on_a_terminal(row: Row, places: dict[str, str]) -> None:
    shown, status = on_a_terminal(command_of(row, places), row)
    assert row.shows.replace("{{", "{").replace("}}", "}") in shown
    assert status == row.status, shown


def on_a_terminal(words: list[str], row: Row) -> tuple[str, int]:
    """Run a command on a terminal; return what it showed, and its exit status."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "PAGER": "cat"}
    with subprocess.Popen(
        [QMPX, *words],
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(its)
        try:
            return _converse(ours, row), process.wait(SECONDS)
        finally:
            process.kill()
            os.close(ours)


def _converse(ours: int, row: Row) -> str:
    """Type what is to be typed when it is time, and read until the end."""
    keys = list(row.keys or (("\x03",) if row.ready else ()))
    shown = ""
    seen = 0
    deadline = time.monotonic() + SECONDS
    while True:
        is_there, _, _ = select.select([ours], [], [], deadline - time.monotonic())
        assert is_there, shown
        try:
            data = os.read(ours, 65536).decode(errors="replace")
        except OSError:
            data = ""  # the program has gone
        if not data:
            return shown
        if "\x1b[6n" in data:
            os.write(ours, b"\x1b[1;1R")  # it asked where the cursor is
        shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data).replace("\r\n", "\n")
        if keys and row.ready in shown[seen:]:
            seen = len(shown)
            os.write(ours, keys.pop(0).encode())


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield each command: its words."""
    for action in parser._actions:  # noqa: SLF001 - argparse tells it nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, inner in action.choices.items():
                yield from leaves(inner, (*path, name))
            return
    yield path


def test_every_command_is_in_the_table() -> None:
    rows = [row.words.split() for row in ROWS]
    assert [
        " ".join(words)
        for words in leaves(make_parser())
        if not any(tuple(row[: len(words)]) == words for row in rows)
    ] == []


@pytest.mark.parametrize("home", sorted({*COMMANDS.values()}))
def test_every_command_is_listed_with_its_options(home: str) -> None:
    listed = {name for name, module in COMMANDS.items() if module == home}
    assert import_module(f"qmpx.cli.{home}").COMMANDS.keys() == listed


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_alone_has_the_help_that_it_has_among_all(name: str) -> None:
    alone, among_all = (
        next(
            each.choices[name].format_help()
            for each in parser._actions  # noqa: SLF001
            if isinstance(each, argparse._SubParsersAction)  # noqa: SLF001
        )
        for parser in (make_parser(name), make_parser())
    )
    assert alone == among_all


def options(words: tuple[str, ...]) -> set[str]:
    """Return the options of a command."""
    parser = make_parser()
    for word in words:
        action = next(
            each
            for each in parser._actions  # noqa: SLF001
            if isinstance(each, argparse._SubParsersAction)  # noqa: SLF001
        )
        parser = action.choices[word]
    return set(parser._option_string_actions)  # noqa: SLF001


NO_DATA = {
    ("completion",): "prints a script",
    ("serve",): "serves",
    ("share",): "serves",
    ("tour",): "is for people",
    ("demo",): "is for people",
    ("schema", "generate", "python"): "writes files",
    ("schema", "generate", "json-schema"): "writes files",
    ("schema", "generate", "site"): "writes files",
    ("record",): "writes a file",
    ("replay",): "serves",
    ("standin",): "serves",
    ("profile", "capture"): "writes a file",
    ("profile", "show"): "tells what a file is",
    ("transcript", "diff"): "is for people; its status is for programs",
    ("transcript", "show"): "'transcript convert' gives JSON",
    ("transcript", "convert"): "has --to",
}
"""Commands without ``--json``, and why."""


@pytest.mark.parametrize("words", list(leaves(make_parser())), ids=" ".join)
def test_what_shows_data_shows_it_as_json(words: tuple[str, ...]) -> None:
    assert ("--json" in options(words)) == (words not in NO_DATA)
