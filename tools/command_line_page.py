"""Write ``docs/reference/command-line.md``: what ``qmpx --help`` says, and why.

The help texts on the page are the program's own. Run it after changing the command
line; a test compares the page with what this would write::

    python tools/command_line_page.py
"""

import contextlib
import io
import os
from pathlib import Path

from qmpx.cli import main as qmpx

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"

HEAD = """\
# Command line

<!-- Made by tools/command_line_page.py from the program's own help; do not edit. -->

This page is made by `tools/command_line_page.py` from what `qmpx --help` prints. How to
use the commands is in [Use it from scripts](../howto/use-from-scripts.md).
"""

SECTIONS = {
    "": "`python -m qmpx` is the same as `qmpx`.",
    "run": """\
The reply's `return` goes to standard output, on one line; everything else goes to
standard error. What stands behind `--` is taken as it is, for an argument that begins
with a dash. Out-of-band execution is enabled only if `--oob` asks for it.""",
    "events": """\
A line for each event: `timestamp`, `event` and `data`, which is `{}` for an event that
has none. There is no deadline unless `--timeout` gives one; without `--count` the end
of that time is success.""",
    "shell": """\
See [Use the shell](../howto/use-the-shell.md). It needs prompt_toolkit and
rich, which `pip install '.[shell]'` brings along. Lines that come through a pipe need
nothing more; the status is 1 if any of them failed.""",
    "hmp": """\
QEMU answers such a line with success whatever became of it; that it failed is read from
the text. `--no-check` leaves that to you.""",
    "wait": """\
The deadline begins when the conversation has; there is none unless `--timeout` gives
one. A value of `--match` is a text as it is, or JSON for anything else: `success=true`,
`offset=1024`.""",
    "screenshot": """\
The picture does not go through a file of the host if the monitor is a unix socket.""",
    "type": """\
A character that no key of an American keyboard types is refused before anything is
typed.""",
    "job": """\
How far it is goes to standard error: a bar on a terminal, if rich is installed, and a
line for every ten per cent elsewhere.""",
    "migrate": """\
How far it is goes to standard error, as with `qmpx job`. With `--json` the last figures
go to standard output when the machine has moved.""",
    "tree": """\
QOM is asked for folder by folder; devices are read from `info qtree`, the block graph
from `x-debug-query-block-graph`, or `query-block` where there is no such command.""",
    "doctor": """\
The steps are `socket`, `permission`, `listener`, `process`, `held by`, `queue`,
`greeting` or `connection`, `out of band`, `in band` and `machine`; with `--json` each
is an object with `step`, `ok`, `found` and `advice`. The status is 3 if any is bad.""",
    "top": """\
On a terminal it needs textual, which `pip install '.[top]'` brings along. A machine
that does not answer delays no other. A monitor of QEMU serves one client: while `top`
has it nobody else does.""",
    "completion": """\
For good, in `~/.bashrc` or `~/.zshrc`: `eval "$(qmpx completion bash)"`; for fish in
`~/.config/fish/config.fish`: `qmpx completion fish | source`.""",
    "share": """\
See [Share a monitor](../howto/share-a-monitor.md). Each address is told on standard
error when clients can connect. It ends with SIGINT, SIGTERM or SIGHUP; a monitor that
is lost is tried again for ever, but the first connection has to succeed.""",
    "serve": """\
Each address that is served is told on standard error, when clients can connect; a port
that was given as 0 is the one that it got. `quit`, SIGINT, SIGTERM and SIGHUP end it;
so does the end of its input, if `stdio` is all that it serves. What it does differently
from QEMU is in [Compatibility](compatibility.md).""",
    "schema": """\
Files and monitors alike: see [Check and read a schema](../howto/check-a-schema.md).""",
    "schema check": """\
What is wrong goes to standard error, without a word of the program's own, so that what
reads the messages of QEMU's generator can read these. The exit status is 1 then.""",
    "schema introspect": """\
With `--json` and an address, or saved introspection, what the monitor told is printed
as it is. A path of a file, or one that ends in `.json`, is read; all else is an
address.""",
    "schema show": """\
A name that is not there is status 1, with a hint at those that are like it.""",
    "schema diff": """\
What breaks a caller is told in [Compare releases](../howto/compare-releases.md).""",
    "schema lint": """\
What it finds, and what it cannot know, is told in
[Compare releases](../howto/compare-releases.md).""",
    "schema generate python": """\
The file is written when all of it is there.""",
    "schema generate json-schema": """\
What QEMU's check has and JSON Schema cannot say: that `1.0` is no integer.""",
    "schema generate site": """\
Files of pages that are not there any more stay: give a new folder.""",
    "record": """\
See [Test your orchestrator](../howto/test-your-orchestrator.md#record-and-replay). The
file can be read by its owner only.""",
    "replay": """\
The difference goes to standard output, as a unified diff of the recorded and the sent
command. A recording without a greeting gets one, and one that begins later than the
negotiation lets clients negotiate. Without `--loose` a client that leaves early
differs, too.""",
    "transcript show": """\
Passwords, keys and the data of secrets are `[redacted]`, unless `--secrets` is
given.""",
    "transcript convert": """\
`arrows` leaves out notes; `replies` holds only commands and their replies.""",
    "transcript diff": """\
Unless `--strict` is given, members that differ from run to run do not count: `id`,
`timestamp`, `thread-id`, `pid`, `fd`, `seconds`, `microseconds`.""",
    "transcript stats": """\
Times are those between a command and its reply, in milliseconds.""",
    "demo": """\
On a terminal it is in colour, unless `NO_COLOR` is set.""",
    "standin": """\
See [Stand in for QEMU](../howto/stand-in-for-qemu.md).""",
    "profile": """\
See [Profiles](../howto/stand-in-for-qemu.md#profiles).""",
    "profile capture": """\
The binary is started without a machine, several times if it does not survive a
question. The file is written when all answers are there.""",
    "profile show": """\
One line: the version, and how many answers there are.""",
}


def help_of(command: str) -> str:
    """Return what the help of a command prints on a terminal of 80 columns."""
    os.environ["COLUMNS"] = "80"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        qmpx([*command.split(), "--help"])
    return printed.getvalue()


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for command, text in SECTIONS.items():
        name = f"qmpx {command}".rstrip()
        shown = f"```console\n$ {name} --help\n{help_of(command)}```\n"
        parts.append(f"## `{name}`\n\n{text}\n\n{shown}")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
