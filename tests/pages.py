"""Running what a page of the documentation shows: the rules are in `test_docs`."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
RUN = {"python", "console", "sh"}
MISSPELT = {"bash", "shell", "shell-session", "py", "python3", "pycon", "zsh"}
SECONDS = 20.0  # for one block, or one command of it
ENDING_SECONDS = 0.2  # between the polite end and the other
BACKGROUND_SECONDS = 1.0  # for a command with & that prints nothing

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
COMMENT = re.compile(r"^\s*<!--\s*(?P<text>.*?)\s*-->\s*$")
TITLE = re.compile(r"""\btitle=["'](?P<name>[^"']+)["']""")
INCLUDE = re.compile(r'\s*-+8<-+ "(?P<path>[^":]+)(:[^"]*)?"\s*')
BACKGROUND = re.compile(r"(?<!&)&\s*(#.*)?$")


class PageError(AssertionError):
    """A page shows something that is not so."""


@dataclass
class Block:
    """A fenced block of a page.

    Attributes:
        where: Page and line, for messages.
        line: The line of the page on which its text begins, from 1.
        language: What its fence says; empty if nothing.
        title: The name of a file to write, if it has one.
        text: Its text, without the indentation of the block.
        comments: The comments directly above it.
    """

    where: str
    line: int
    language: str
    title: str | None
    text: str
    comments: list[str]

    def comment(self, key: str) -> str | None:
        """Return what a comment says after *key* and a colon, or None."""
        for comment in self.comments:
            name, _, value = comment.partition(":")
            if name == key:
                return value.strip()
        return None

    @property
    def needs(self) -> list[str]:
        """The peers without which it is left out."""
        names = (self.comment("needs") or "").split(",")
        return [name.strip() for name in names if name.strip()]

    @property
    def reason(self) -> str | None:
        """Why it is not run, if it says so."""
        reason = self.comment("not run")
        if reason == "":
            raise PageError(f"{self.where}: <!-- not run: --> lacks a reason")
        return reason


def blocks_of(name: str, text: str) -> list[Block]:
    """Return all fenced blocks of a page."""
    blocks: list[Block] = []
    lines = iter(enumerate(text.splitlines(), 1))
    comments: list[str] = []
    for number, line in lines:
        if comment := COMMENT.match(line):
            comments.append(comment["text"])
            continue
        if not (opening := FENCE.match(line)):
            comments = []
            continue
        inside = []
        closing = re.compile(
            rf"^ *{opening['fence'][0]}{{{len(opening['fence'])},}} *$"
        )
        for _, inner in lines:
            if closing.match(inner):
                break
            inside.append(inner)
        else:
            raise PageError(f"{name}:{number}: this block has no end")
        info = opening["info"].strip()
        language = re.split(r"[\s{}]+", info.strip("{ ").removeprefix("."))[0]
        title = TITLE.search(info)
        blocks.append(
            Block(
                where=f"{name}:{number}",
                line=number + 1,
                language=language,
                title=title["name"] if title else None,
                text=textwrap.dedent("".join(f"{line}\n" for line in inside)),
                comments=comments,
            )
        )
        comments = []
    return blocks


def commands_of(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block, and the lines stated below it."""
    command: str | None = None
    stated: list[str] = []
    for line in block.text.splitlines():
        if command is not None and command.endswith("\\") and not stated:
            command += "\n" + line.removeprefix("> ")
        elif line.startswith("$ "):
            if command is not None:
                yield command, stated
            command, stated = line.removeprefix("$ "), []
        elif command is None:
            raise PageError(f"{block.where}: a console block begins with '$ '")
        else:
            stated.append(line)
    if command is None:
        raise PageError(f"{block.where}: an empty console block")
    yield command, stated


def pattern_of(stated: list[str], *, begins: bool = False) -> re.Pattern[str]:
    """Return the pattern of an output as it is stated.

    Args:
        stated: The lines.
        begins: Whether more may follow.
    """
    pattern = ""
    for line in stated:
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pieces = map(re.escape, line.rstrip().split("..."))
            pattern += r"[^\n]*".join(pieces) + r"\n"
    return re.compile(pattern + ("" if begins else r"\Z"))


def lines_of(output: str) -> str:
    """Return an output with neither blanks at line ends nor empty lines at its end."""
    lines = [line.rstrip() for line in output.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def compare(where: str, what: str, stated: list[str], output: str) -> None:
    """Compare what is stated with what was printed.

    Raises:
        PageError: They differ.
    """
    while stated and not stated[-1].strip():
        stated = stated[:-1]
    if not pattern_of(stated).match(lines_of(output)):
        expected = "\n".join(stated)
        message = f"{where}: {what}\n--- stated\n{expected}\n--- printed\n{output}"
        raise PageError(message)


# Takes orders from its standard input: a kind, a file with a command, and one for what
# that prints. Answers when it has ended. Its status is kept for the next, which may
# ask.
SHELL = """\
_status=0
while read -r _kind _command _output; do
  _text=$(cat "$_command") _failed=0
  [ "$_kind" = sh ] && trap '_failed=$?' ERR
  (exit "$_status")
  eval "$_text" > "$_output" 2>&1 < /dev/null
  _status=$?
  trap - ERR
  echo "$_failed"
done
"""


class Session:
    """A child that takes orders, a line each, and answers each with a line.

    Args:
        command: What to run.
        directory: Where.
    """

    def __init__(self, command: list[str], directory: Path) -> None:
        kept = {"LANG", "TMPDIR"} & os.environ.keys()
        environment = {name: os.environ[name] for name in kept} | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def ask(self, order: str) -> str:
        """Give an order and return the answer.

        Raises:
            PageError: It took too long, or the child ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(order.encode() + b"\n")
        if not select.select([self._process.stdout], [], [], SECONDS)[0]:
            raise PageError(f"not done after {SECONDS:g} s")
        answer = self._process.stdout.readline()
        if not answer:
            raise PageError("it ended the session")
        return answer.decode().strip()

    def end(self) -> None:
        """End it with all its children: first asked to, then not."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + ENDING_SECONDS
        while self._signal(0) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._signal(signal.SIGKILL)
        self._process.communicate()

    def _signal(self, number: int) -> bool:
        """Send a signal to all; tell whether there is anybody left."""
        self._process.poll()
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True


class Page:
    """The directory, the shell and the Python of one page.

    Args:
        directory: Where its blocks run.
        scratch: Where the commands, and what they print, are kept.
    """

    def __init__(self, directory: Path, scratch: Path) -> None:
        self.directory = directory
        self._scratch = scratch
        self._sessions: dict[str, Session] = {}
        self._count = 0

    def console(self, block: Block) -> None:
        """Run a console block and compare what is printed."""
        for command, stated in commands_of(block):
            output = self._run_shell("console", command, block.where)
            if BACKGROUND.search(command):
                wait_for(block.where, command, stated, output)
            else:
                compare(block.where, command, stated, output.read_text())

    def sh(self, block: Block) -> None:
        """Run a script."""
        self._run_shell("sh", block.text, block.where)

    def python(self, block: Block) -> str:
        """Run a Python block and return what it printed."""
        session = str(Path(__file__).with_name("pages_python.py"))
        python = self._session("python", [sys.executable, session])
        output = self._new_file("out")
        order = {
            "source": block.text,
            "line": block.line,
            "page": block.where.partition(":")[0],
            "output": str(output),
        }
        is_good = self._ask(python, json.dumps(order), block.where, output) == "true"
        printed = output.read_text()
        if not is_good:
            raise PageError(f"{block.where}: it failed\n{printed}")
        return printed

    def end(self) -> None:
        """End everything that the page started."""
        for session in self._sessions.values():
            session.end()

    def _run_shell(self, kind: str, text: str, where: str) -> Path:
        shell = self._session("shell", ["bash", "--noprofile", "--norc", "-c", SHELL])
        command, output = self._new_file("sh"), self._new_file("out")
        command.write_text(text)
        failed = self._ask(shell, f"{kind} {command} {output}", where, output)
        if failed != "0":
            message = f"{where}: a command failed ({failed})\n{output.read_text()}"
            raise PageError(message)
        return output

    def _ask(self, session: Session, order: str, where: str, output: Path) -> str:
        try:
            return session.ask(order)
        except PageError as error:
            printed = output.read_text() if output.exists() else ""
            raise PageError(f"{where}: {error}\n{printed}") from None

    def _session(self, name: str, command: list[str]) -> Session:
        if name not in self._sessions:
            self._sessions[name] = Session(command, self.directory)
        return self._sessions[name]

    def _new_file(self, ending: str) -> Path:
        self._count += 1
        return self._scratch / f"{self._count}.{ending}"


def wait_for(where: str, command: str, stated: list[str], output: Path) -> None:
    """Wait until a command behind the scenes has printed what is stated."""
    pattern = pattern_of(stated, begins=True) if stated else re.compile(".")
    deadline = time.monotonic() + (SECONDS if stated else BACKGROUND_SECONDS)
    while not pattern.match(lines_of(output.read_text())):
        if time.monotonic() > deadline:
            if stated:
                compare(where, command, stated, output.read_text())
            return
        time.sleep(0.01)


def check(blocks: list[Block]) -> None:
    """Check what can be told without running anything.

    Raises:
        PageError: A block is misspelt or incomplete, or a file is never used.
    """
    for number, block in enumerate(blocks):
        if block.language in MISSPELT:
            spelt = "python, console or sh"
            message = f"{block.where}: say {spelt}, not {block.language}"
            raise PageError(message)
        if unknown := set(block.needs) - PEERS.keys():
            raise PageError(f"{block.where}: unknown peers: {unknown}")
        if "output" in block.comments and (
            number == 0 or blocks[number - 1].language != "python"
        ):
            raise PageError(f"{block.where}: output of what?")
        if block.title and not INCLUDE.fullmatch(block.text) and block.reason is None:
            later = blocks[number + 1 :]
            runs = [b.text for b in later if b.language in {"console", "sh"}]
            if not any(block.title in text for text in runs):
                raise PageError(f"{block.where}: nothing uses {block.title}")


def run_page(name: str, text: str) -> set[str]:
    """Run all blocks of a page.

    Returns:
        The absent peers for whose sake blocks were left out.

    Raises:
        PageError: A page shows something that is not so.
    """
    blocks = blocks_of(name, text)
    check(blocks)
    absent: set[str] = set()
    # Not pytest's tmp_path: its name is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="qmpx-") as top:
        directory, scratch = Path(top, "page"), Path(top, "scratch")
        directory.mkdir()
        scratch.mkdir()
        (directory / "examples").symlink_to(ROOT / "examples")
        page = Page(directory, scratch)
        try:
            for number, block in enumerate(blocks):
                if block.reason is not None or "output" in block.comments:
                    continue
                missing = {peer for peer in block.needs if not PEERS[peer].version}
                absent |= missing
                if not missing:
                    run_block(page, block, blocks[number + 1 : number + 2])
        finally:
            page.end()
    return absent


def run_block(page: Page, block: Block, following: list[Block]) -> None:
    """Run one block, or write it to its file."""
    if include := INCLUDE.fullmatch(block.text):
        path = ROOT / include["path"]
        if block.language in RUN and path.parent != ROOT / "examples":
            raise PageError(f"{block.where}: only examples/ is run: {include['path']}")
    elif block.title:
        (page.directory / block.title).write_text(block.text)
    elif block.language == "console":
        page.console(block)
    elif block.language == "sh":
        page.sh(block)
    elif block.language == "python":
        printed = page.python(block)
        if following and "output" in following[0].comments:
            stated = following[0].text.splitlines()
            compare(following[0].where, "what Python printed", stated, printed)
