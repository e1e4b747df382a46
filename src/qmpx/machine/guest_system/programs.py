"""The programs of a guest: a few that tests use, and no program of the host.

Each runs at once, but for ``sleep``, which takes its time of the machine's clock.
"""

import errno
import itertools
import os
import posixpath
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from qmpx.machine.guest_system.files import GuestFiles

if TYPE_CHECKING:
    from qmpx.machine.guest_system.system import GuestSystem

MAX_PROCESSES: Final = 1024
"""Processes that were started and not yet looked at for the last time."""

MAX_OUTPUT: Final = 16 * 2**20
"""Bytes of output that are kept of a process: QEMU's agent keeps as many."""

FIRST_PID: Final = 1000
"""The number of the first process that somebody starts."""

PLACES: Final = ("/bin", "/usr/bin", "/sbin", "/usr/sbin")
"""Where programs are."""

_REDIRECTIONS: Final = {
    "2>&1": "\0both",
    "1>&2": "\0errors",
    ">&2": "\0errors",
    "2>/dev/null": "\0quiet",
}  # what is no word on its own, as a word
_NOT_FOUND: Final = 127
_USAGE: Final = 2


@dataclass(slots=True)
class Process:
    """A process.

    Attributes:
        pid: Its number.
        ends_at: When it ends, in microseconds of the machine's clock; ``None``: never.
        status: Its exit status, once it has ended.
        signal: The signal that ended it, if one did.
        output: What it wrote.
        errors: What it wrote to its standard error.
        is_captured: Whether somebody wants to know what it wrote.
    """

    pid: int
    ends_at: int | None
    status: int = 0
    signal: int | None = None
    output: bytes = b""
    errors: bytes = b""
    is_captured: bool = False


@dataclass(slots=True)
class _Run:
    """What a program does: what it writes, how it ends, how long it takes."""

    output: bytes = b""
    errors: bytes = b""
    status: int = 0
    seconds: float | None = 0.0
    is_over: bool = False  # of a shell: it was left


class Programs:
    """What a guest can run, and what it runs.

    Args:
        system: The guest.
    """

    def __init__(self, system: "GuestSystem") -> None:
        self._system = system
        self._pids = itertools.count(FIRST_PID)
        self._processes: dict[int, Process] = {}
        self._known: dict[str, Callable[[Sequence[str], bytes], _Run]] = {
            "cat": self._cat,
            "date": self._date,
            "echo": lambda words, _: _Run(" ".join(words[1:]).encode() + b"\n"),
            "env": self._environment,
            "false": lambda *_: _Run(status=1),
            "hostname": lambda *_: _Run(self._system.host_name.encode() + b"\n"),
            "ls": self._ls,
            "printf": lambda words, _: _Run(_unescape(" ".join(words[1:2]))),
            "sh": self._sh,
            "sleep": self._sleep,
            "true": lambda *_: _Run(),
            "uname": self._uname,
            "uptime": self._uptime,
            "whoami": lambda *_: _Run(b"root\n"),
        }
        self._environment_now: Mapping[str, str] = {}

    def start(
        self,
        path: str,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        data: bytes = b"",
        is_captured: bool = False,
    ) -> int:
        """Start a program, and return the number of its process.

        Args:
            path: Which: a path, or a name that is looked for.
            arguments: What stands after it.
            environment: Its environment.
            data: What its standard input has.
            is_captured: Whether to keep what it writes.

        Raises:
            OSError: There is no such program, or no room for more.
        """
        if self.find(path) is None:
            there = self._system.files.exists(path)
            number = errno.EACCES if there else errno.ENOENT
            raise OSError(number, os.strerror(number))
        if len(self._processes) >= MAX_PROCESSES:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._environment_now = dict(environment or {})
        run = self._run([path, *arguments], data)
        now = self._system.clock.microseconds()
        ends = None if run.seconds is None else now + round(run.seconds * 1_000_000)
        pid = next(self._pids)
        self._processes[pid] = Process(
            pid,
            ends,
            run.status,
            output=run.output[:MAX_OUTPUT],
            errors=run.errors[:MAX_OUTPUT],
            is_captured=is_captured,
        )
        return pid

    def look(self, pid: int) -> tuple[Process, bool]:
        """Return a process, and whether it has ended; one that has is then forgotten.

        Raises:
            KeyError: There is none.
        """
        process = self._processes[pid]
        now = self._system.clock.microseconds()
        has_ended = process.ends_at is not None and process.ends_at <= now
        if has_ended:
            del self._processes[pid]
        return process, has_ended

    def find(self, path: str) -> str | None:
        """Return the name of the program at a path; ``None`` if there is none."""
        folder, name = posixpath.split(path)
        if folder and folder not in PLACES:
            return None
        return name if name in self._known or name == "bash" else None

    def _run(self, words: Sequence[str], data: bytes) -> _Run:
        name = self.find(words[0])
        if name is None:
            text = f"sh: {words[0]}: not found\n"
            return _Run(errors=text.encode(), status=_NOT_FOUND)
        return self._known["sh" if name == "bash" else name](words, data)

    # The programs.

    @property
    def _files(self) -> GuestFiles:
        return self._system.files

    def _cat(self, words: Sequence[str], data: bytes) -> _Run:
        run = _Run()
        for path in words[1:] or ["-"]:
            try:
                run.output += data if path == "-" else self._files.read_whole(path)
            except OSError as error:
                run.errors += f"cat: {path}: {error.strerror}\n".encode()
                run.status = 1
        return run

    def _ls(self, words: Sequence[str], _: bytes) -> _Run:
        run = _Run()
        for path in [word for word in words[1:] if not word.startswith("-")] or ["/"]:
            try:
                names = [path] if self._files.exists(path) else self._files.list(path)
                run.output += "".join(f"{name}\n" for name in names).encode()
            except OSError as error:
                text = f"ls: cannot access '{path}': {error.strerror}\n"
                run.errors, run.status = run.errors + text.encode(), _USAGE
        return run

    def _date(self, words: Sequence[str], _: bytes) -> _Run:
        seconds = self._system.time // 1_000_000_000
        if words[1:] == ["+%s"]:
            return _Run(b"%d\n" % seconds)
        import time

        text = time.strftime("%a %b %e %H:%M:%S UTC %Y\n", time.gmtime(seconds))
        return _Run(text.encode())

    def _environment(self, *_: object) -> _Run:
        items = self._environment_now.items()
        return _Run("".join(f"{name}={value}\n" for name, value in items).encode())

    def _sleep(self, words: Sequence[str], _: bytes) -> _Run:
        try:
            seconds = sum(map(float, words[1:]))
        except ValueError:
            return _Run(errors=b"sleep: invalid time interval\n", status=1)
        if not words[1:]:
            return _Run(errors=b"sleep: missing operand\n", status=1)
        return _Run(seconds=seconds if seconds < float("inf") else None)

    def _uname(self, words: Sequence[str], _: bytes) -> _Run:
        system = self._system
        told = {
            "s": "Linux",
            "n": system.host_name,
            "r": system.os_info["kernel-release"],
            "v": system.os_info["kernel-version"],
            "m": system.os_info["machine"],
        }
        asked = "".join(word[1:] for word in words[1:]) or "s"
        letters = "snrvm" if "a" in asked else asked
        if unknown := set(letters) - told.keys():
            text = f"uname: invalid option -- '{min(unknown)}'\n"
            return _Run(errors=text.encode(), status=1)
        return _Run((" ".join(told[x] for x in told if x in letters) + "\n").encode())

    def _uptime(self, *_: object) -> _Run:
        return _Run(b"%.2f\n" % self._system.uptime)

    def _sh(self, words: Sequence[str], data: bytes) -> _Run:
        if words[1:2] == ["-c"] and words[2:]:
            return self._script(words[2], data)
        if not words[1:]:
            return self._script(data.decode("utf-8", "replace"), b"")
        try:
            text = self._files.read_whole(words[1]).decode("utf-8", "replace")
        except OSError as error:
            message = f"sh: {words[1]}: {error.strerror}\n"
            return _Run(errors=message.encode(), status=_NOT_FOUND)
        return self._script(text, data)

    def _script(self, text: str, data: bytes) -> _Run:
        """Run commands with ``;``, ``&&``, ``||`` and redirections between them."""
        whole = _Run()
        text = text.replace("\n", " ; ")
        for sign, word in _REDIRECTIONS.items():
            text = text.replace(sign, f" {word} ")
        try:
            lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError as error:
            return _Run(errors=f"sh: syntax error: {error}\n".encode(), status=_USAGE)
        command: list[str] = []
        before = ";"
        for word in [*words, ";"]:
            if word not in (";", "&&", "||"):
                command.append(word)
                continue
            is_wanted = {";": True, "&&": whole.status == 0, "||": whole.status != 0}
            if command and is_wanted[before]:
                self._add(whole, self._command(command, data))
            if whole.is_over:
                break
            command, before = [], word
        return whole

    def _command(self, words: list[str], data: bytes) -> _Run:
        """Run one command of a script."""
        if words[0] == "exit":
            status = words[1] if words[1:] else "0"
            is_number = status.isdecimal()
            return _Run(status=int(status) % 256 if is_number else 2, is_over=True)
        signs = [word for word in words if word in _REDIRECTIONS.values()]
        words = [word for word in words if word not in signs]
        target: tuple[str, str] | None = None
        for sign in (">>", ">"):
            if sign in words:
                place = words.index(sign)
                name = words[place + 1] if words[place + 1 :] else ""
                target, words = (sign, name), words[:place] + words[place + 2 :]
                break
        run = self._run(words, data) if words else _Run()
        if _REDIRECTIONS["2>/dev/null"] in signs:
            run.errors = b""
        if _REDIRECTIONS[">&2"] in signs:
            run.output, run.errors = b"", run.errors + run.output
        if _REDIRECTIONS["2>&1"] in signs:
            run.output, run.errors = run.output + run.errors, b""
        if target is None:
            return run
        sign, name = target
        try:
            old = b""
            if sign == ">>" and self._files.exists(name):
                old = self._files.read_whole(name)
            self._files.write_whole(name, old + run.output)
        except OSError as error:
            message = f"sh: {name}: {error.strerror}\n"
            return _Run(errors=message.encode(), status=1)
        run.output = b""
        return run

    @staticmethod
    def _add(whole: _Run, run: _Run) -> None:
        whole.output += run.output
        whole.errors += run.errors
        whole.status, whole.is_over = run.status, run.is_over
        if whole.seconds is not None and run.seconds is not None:
            whole.seconds += run.seconds
        else:
            whole.seconds = None


def _unescape(text: str) -> bytes:
    replaced = text.replace("\\n", "\n").replace("\\t", "\t").replace("%%", "%")
    return replaced.encode()
