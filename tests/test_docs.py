"""What the pages show is run: every block of README.md and docs/**/*.md.

**Which blocks.** Every fenced block marked ``python``, ``console`` or ``sh`` is run, or
says why not, on the line directly above it::

    <!-- not run: it needs root -->

Other spellings (``bash``, ``shell``, ``py``, ``pycon``, ``shell-session``) are refused;
other languages (``json``, ``text``, ``toml`` ...) and blocks without one are not looked
at, but see ``title`` and ``output`` below.

**A page is one story.** Its blocks run from the top to the bottom in one new, empty
directory, in one shell and one Python, both of which keep what they have got:
variables, imports, the current directory. ``.venv/bin`` is first in PATH; ``examples/``
is there; no colour; standard input is empty. Name sockets by a short relative path such
as ``unix:qmp.sock``. A block may take 20 s. At the end everything that the page started
is ended.

``console``
    A line that begins with ``$ `` is a command (a ``\\`` at its end continues it on the
    next line, which may begin with ``> ``); the lines up to the next command are what
    it prints, standard error included, and all of it: nothing stated, nothing printed.
    ``...`` within a line stands for anything in that line; ``...`` alone on a line
    stands for any number of lines. Blanks at the ends of lines do not count. Exit
    statuses are shown, where they matter, as people show them: ``$ echo $?``.

    A command that ends in ``&`` goes on behind the scenes. The next block or command
    begins when it has printed what is stated below it (what it prints later is of no
    concern); if nothing is stated, as soon as it has printed anything, or after a
    second::

        $ qmpx serve --qmp unix:qmp.sock &
        qmpx: serving unix:qmp.sock
        $ qmpx events unix:qmp.sock --count 1 > events.txt &
        $ qmpx run unix:qmp.sock stop
        {}
        $ wait $!; cat events.txt
        {"timestamp": {...}, "event": "STOP", ...}

``sh``
    A script, of which every command has to succeed. What it prints does not matter.

``python``
    Python, with ``await``, ``async for`` and ``async with`` allowed at top level (one
    event loop a page). It has to end without an exception. What it prints matters only
    if the next block has ``<!-- output -->`` directly above it: then the two are
    compared as in ``console``, whatever the second one's language. A block that begins
    with ``>>> `` is run as a doctest, in which ``...`` stands for anything.

**Files.** A block of any language with ``title="NAME"`` on its fence is not run but
written to the file NAME, and some later ``console`` or ``sh`` block has to name it::

    ```python title="server.py"

A block that does nothing but include an example (``--8<-- "examples/x.py"``) counts as
run, since `test_examples` runs it.

**Peers.** ``<!-- needs: qemu -->`` directly above: the block is run where there is that
peer of tests/conftest.py (several, with commas); elsewhere it is left out, and the
page's test counts as skipped when the rest of it has run. Comments can be combined, one
a line.
"""

from __future__ import annotations

import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PEERS, REQUIRE_REAL
from tests.pages import ROOT, PageError, run_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES_AT_ONCE = 3
PORT = re.compile(r":[1-9]\d{3,4}\b")  # pages that name one may name the same
PORTS = threading.Lock()


def page_of(*lines: str) -> str:
    """Return a page: each line that begins with a fence's language begins a block."""
    return "\n".join(lines).replace("~", "```")


@pytest.mark.parametrize(
    "lines",
    [
        ["~console", "$ echo a; echo b >&2", "a", "b", "~"],
        ["~console", "$ cd /", "$ pwd", "/", "~"],
        ["~console", "$ false", "$ echo $?", "1", "~"],
        ["~console", "$ echo one two three", "one ... three", "~"],
        ["~console", "$ seq 9", "1", "...", "9", "~"],
        ["~console", "$ echo a \\", ">   b", "a b", "~"],
        [
            "~console",
            "$ (sleep 0.1; echo up; sleep 60) &",
            "up",
            "$ echo so",
            "so",
            "~",
        ],
        ["~sh", "x=4", "~", "~console", "$ echo $x", "4", "~"],
        ["~sh", "false || true", "~"],
        ["~python", "x = 1", "~", "~python", "assert x == 1", "~"],
        ["~python", "print(1)", "~", "<!-- output -->", "~text", "1", "~"],
        ["~python", "import asyncio", "await asyncio.sleep(0)", "~"],
        ["~python", ">>> 1 + 1", "2", "~"],
        ['~python title="a.py"', "print(2)", "~", "~sh", "python a.py", "~"],
        ["<!-- not run: it cannot be -->", "~sh", "false", "~"],
        ["~json", "{", "~"],
        ["    ~sh", "    true", "    ~"],
    ],
    ids=str,
)
@pytest.mark.slow
def test_a_page_that_tells_the_truth_passes(lines: list[str]) -> None:
    assert run_page("page", page_of(*lines)) == set()


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["~console", "$ echo a", "b", "~"], "page:1: echo a"),
        (["~console", "$ echo a", "~"], "page:1: echo a"),
        (["~console", "$ true", "a", "~"], "page:1: true"),
        (["~console", "$ seq 9", "1", "...", "8", "~"], "page:1: seq 9"),
        (["~console", "a", "~"], r"a console block begins with '\$ '"),
        (["~console", "~"], "an empty console block"),
        (["~console", "$ exit", "~"], "it ended the session"),
        (["~sh", "false", "true", "~"], r"a command failed \(1\)"),
        (["", "~python", "1 / 0", "~"], "page:2: it failed(.|\n)*line 1, in <module>"),
        (["~python", ">>> 1 + 1", "3", "~"], "it failed(.|\n)*Got:\n    2"),
        (["~python", "print(1)", "~", "<!-- output -->", "~", "2", "~"], "Python prin"),
        (["<!-- output -->", "~text", "2", "~"], "output of what"),
        (['~json title="a.json"', "{", "~"], "nothing uses a.json"),
        (["<!-- not run: -->", "~sh", "false", "~"], "lacks a reason"),
        (["<!-- not run: so -->", "", "text", "~sh", "false", "~"], "a command failed"),
        (["<!-- needs: bochs -->", "~sh", "true", "~"], "unknown peers: {'bochs'}"),
        (["~bash", "true", "~"], "say python, console or sh, not bash"),
        (["~sh", "true"], "page:1: this block has no end"),
        (["~python", '--8<-- "tests/conftest.py"', "~"], "only examples/ is run"),
    ],
    ids=str,
)
@pytest.mark.slow
def test_a_page_that_does_not_is_found_out(lines: list[str], complaint: str) -> None:
    with pytest.raises(PageError, match=complaint):
        run_page("page", page_of(*lines))


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[set[str]]]]:
    """Run the pages that were asked for, several at once: mostly they wait."""

    def run(path: Path) -> set[str]:
        text = path.read_text()
        with PORTS if PORT.search(text) else contextlib.nullcontext():
            return run_page(str(path.relative_to(ROOT)), text)

    asked: list[Path] = [
        item.callspec.params["path"]  # type: ignore[misc]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == "test_what_a_page_shows_is_so"
    ]
    pool = ThreadPoolExecutor(PAGES_AT_ONCE)
    try:
        yield {path: pool.submit(run, path) for path in asked}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_shows_is_so(
    path: Path, runs: dict[Path, Future[set[str]]]
) -> None:
    absent = runs[path].result()
    if absent:
        reasons = "; ".join(PEERS[name].absent for name in sorted(absent))
        if REQUIRE_REAL:
            pytest.fail(f"QMPX_REQUIRE_REAL=1, but {reasons}", pytrace=False)
        pytest.skip(f"all but what needs a peer: {reasons}")
