"""A QEMU and a stand-in that are told the same."""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.comparison.program import Message, Program, ProgramEnded
from tools.comparison.set_ups import SET_UPS, copy_files

QEMU: Final = "qemu-system-x86_64"

STANDIN: Final = str(Path(__file__).parents[2] / ".venv/bin/qmpx-system-x86_64")

GUEST: Final = ["--guest", "none"]
"""What the stand-in is told: there is no system on these disks, and so none in QEMU
either."""

QUIET_SECONDS: Final = 0.003
"""How long is waited for events behind a reply."""

BUSY_SECONDS: Final = 0.08
"""How long that is after what begins something."""

_BUSY: Final = (
    *("block", "job", "drive", "transaction", "migrat", "device_", "cont", "reset"),
    "dump",
)


@dataclass
class Heard:
    """What one side says to one request.

    Attributes:
        before: Events before the reply.
        reply: The reply; what tells of the end, if there is none.
        after: Events behind it.
    """

    before: list[Message]
    reply: Message
    after: list[Message]

    @property
    def has_ended(self) -> bool:
        """Whether the program is gone."""
        return "ended" in self.reply


class Pair:
    """Both, started alike.

    Args:
        set_up: Which of `SET_UPS`.
        template: The folder with the files that are there at first.
    """

    def __init__(self, set_up: str, template: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="qmpx-"))
        self._programs: list[Program] = []
        with ThreadPoolExecutor() as threads:
            starts = []
            for name, path in (("qemu", QEMU), ("standin", STANDIN)):
                folder = self._folder / name
                folder.mkdir()
                copy_files(template, folder)
                arguments = SET_UPS[set_up] + (GUEST if name == "standin" else [])
                starts.append(threads.submit(Program, path, arguments, folder))
            failures = [start.exception() for start in starts]
            self._programs = [
                start.result()
                for start, failure in zip(starts, failures, strict=True)
                if failure is None
            ]
        for failure in failures:
            if failure is not None:
                self.close()
                raise failure

    def run(self, request: Message) -> tuple[Heard, Heard]:
        """Send a request to both; return what QEMU said, and what the stand-in did."""
        name = request["execute"]
        is_busy = any(part in name for part in _BUSY) and not name.startswith("query")
        heard = [_attempt(program, request) for program in self._programs]
        seconds = BUSY_SECONDS if is_busy else QUIET_SECONDS
        for program, each in zip(self._programs, heard, strict=True):
            if not each.has_ended:
                each.after = program.listen(seconds)
                seconds = QUIET_SECONDS  # the other has had as long
        theirs, ours = heard
        return theirs, ours

    def close(self) -> None:
        """End both, and remove their files."""
        for program in self._programs:
            program.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _attempt(program: Program, request: Message) -> Heard:
    try:
        return Heard(*program.run(request), [])
    except ProgramEnded as ended:
        return Heard([], {"ended": ended.status, "said": ended.said}, [])
