"""Write ``docs/reference/faults.md``: the fault menu, from the table in the sources.

Run it after changing the menu; a test compares the page with what this would write::

    python tools/faults_page.py
"""

import json
from pathlib import Path
from typing import Any

from qmpx.standin.faults import CONDITIONS, FAULTS, Kind, Parameter, Point

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "faults.md"

HEAD = """\
# Faults

<!-- Made by tools/faults_page.py from the menu in the sources; do not edit. -->

What can go wrong on the way between a monitor and its client, on purpose. Each kind
comes from an incident that somebody had. How to use them is in
[Test your orchestrator](../howto/test-your-orchestrator.md).

A fault is described by the same members everywhere: in a scenario (`--scenario FILE`),
as the argument `fault` of `x-qmpx-fault-add` on a control monitor
(`--control ADDRESS`), and in Python, where an underscore stands for a hyphen
(`event_name`) and one behind a keyword is dropped (`class_`, `return_`).

## When a fault sets in

Every fault may have these; without any it sets in each time.

"""

RULES = """
Chance follows from the `seed` of the scenario, from the kind and from the number of the
fault: the same seed, faults and commands give the same run. Moments and seconds are
those of the machine's clock, so with a virtual one they pass when you say so. Faults
that end the process (`crash`, `hang-then-die`) work only where the process is the
machine's own: under `qmpx serve` and the stand-in. No fault concerns the human monitor.

## A scenario

```toml
seed = 7
clock = "virtual"            # or "real"

[guest]                      # seconds that it takes, or "never"
power-off = 30.0
balloon = 2.0
unplug = "never"

[[fault]]
kind = "reply-late"
command = "query-block"
nth = 3
seconds = 180
```

What is wrong in a scenario is told with the file, the line and what was expected there,
and the exit status is 2.

## Recipes

A job that fails late, for lack of space; it is begun, and the machine does nothing:

```toml
[[fault]]
kind = "command-answered"
command = "blockdev-mirror"
return = {}

[[fault.events]]
event = "BLOCK_JOB_COMPLETED"
after = 30.0

[fault.events.data]
device = "job0"
type = "mirror"
len = 100
offset = 40
speed = 0
error = "No space left on device"
```

A job of which `query-jobs` says that nothing is to be done, and nothing was:

```toml
[[fault]]
kind = "command-answered"
command = "query-block-jobs"
times = 1
return = [{ device = "job0", type = "mirror", len = 0, offset = 0, ready = false }]
```

A migration that stalls, with a monitor that is slow meanwhile:

```toml
[[fault]]
kind = "command-answered"
command = "query-migrate"
return = { status = "active", total-time = 600000, ram = { remaining = 1073741824 } }

[[fault]]
kind = "reply-late"
command = "query-*"
probability = 0.5
seconds = 8.0
```

A statistic that is not known, as QEMU spells it; a member that another release lacks; a
value that nobody knows:

```toml
[[fault]]
kind = "reply-patched"
command = "qom-get"
set = { "stats.stat-free-memory" = 18446744073709551615 }

[[fault]]
kind = "reply-patched"
command = "query-status"
set = { status = "frobnicated" }
remove = ["singlestep"]
```

Another client that takes the monitor between two connections of yours:

```toml
[[fault]]
kind = "greeting-withheld"
connection = 2
```

## The control monitor

It speaks QMP itself, so any client in any language can use it. `qmpx shell` completes
what is typed there, and `qmpx run` takes a fault in pieces:

```console
$ qmpx serve --qmp unix:qmp.sock --control unix:control.sock &
qmpx: control unix:control.sock
qmpx: serving unix:qmp.sock
$ qmpx run control.sock x-qmpx-fault-add fault.kind=command-lost fault.nth:=3
{"id": 1}
$ qmpx run control.sock x-qmpx-quit
{}
```

| command | arguments | does |
|---|---|---|
"""

CONTROL = {
    "x-qmpx-fault-add": ("`fault`", "adds a fault; returns its `id`"),
    "x-qmpx-fault-remove": ("`id`", "takes a fault away; all of them without `id`"),
    "x-qmpx-fault-query": ("", "tells the faults, how often each was met and set in"),
    "x-qmpx-fault-kinds": ("", "tells the menu"),
    "x-qmpx-clock-query": ("", "tells the time, in microseconds since 1970"),
    "x-qmpx-clock-advance": ("`seconds`", "lets virtual time pass"),
    "x-qmpx-event-emit": ("`event`, `data`", "sends an event to the clients"),
    "x-qmpx-guest-set": (
        "`power-off`, `balloon`, `unplug`",
        "puts in a guest that obeys after so many seconds; what is absent, never",
    ),
    "x-qmpx-agent-set": (
        "`starts-after`, `echoes-ids`, `disabled`, `is-deaf`, `stale`, `delays`",
        "lets the guest's agent behave otherwise; what is absent stays",
    ),
    "x-qmpx-agent-stop": ("", "lets the guest's agent end"),
    "x-qmpx-agent-write-file": ("`path`, `text`", "puts a file into the guest"),
    "x-qmpx-guest-shutdown": ("", "lets the guest switch its machine off"),
    "x-qmpx-guest-reset": ("", "lets the guest start its machine anew"),
    "x-qmpx-guest-suspend": ("", "lets the guest put its machine to sleep"),
    "x-qmpx-guest-panic": ("", "lets the guest give up"),
    "x-qmpx-guest-watchdog": ("", "lets the guest forget its watchdog"),
    "x-qmpx-conversation-query": (
        "`since`",
        "tells what crossed the wire, as the lines of a transcript: `entries`, `next`",
    ),
    "x-qmpx-conversation-clear": ("", "forgets what crossed the wire so far"),
    "x-qmpx-quit": ("", "switches the machine off and ends the monitor under test"),
    "query-commands": ("", "tells the names of these commands"),
    "query-qmp-schema": ("", "tells what they take and return"),
}

HEADINGS = {
    Point.LISTENING: "Before the monitor listens",
    Point.CONNECTING: "Connections",
    Point.COMMAND: "Commands",
    Point.REPLY: "Replies",
    Point.EVENT: "Events",
    Point.ANY: "At a command, or at a moment",
}

NOTES = {
    Point.LISTENING: "They set in once, before anybody can connect.",
    Point.CONNECTING: "`nth` and the like count connections.",
    Point.COMMAND: "`nth` and the like count commands; what these concern is not run.",
    Point.REPLY: "`nth` and the like count commands; what these concern is run.",
    Point.EVENT: "`nth` and the like count events, for each client.",
    Point.ANY: "With `at` and without `command` they set in at that moment, for every "
    "client.",
}


def row_of(name: str, parameter: Parameter) -> str:
    """Return a line of a table of parameters."""
    default = parameter.default
    shown = "needed" if default is ... else "" if default is None else spelled(default)
    return f"| `{name}` | {shown} | {parameter.summary} |\n"


def spelled(value: Any) -> str:
    """Return a default as it would stand in a scenario."""
    return f"`{json.dumps(value)}`"


def section_of(kind: Kind) -> str:
    """Return what there is to say of one kind."""
    text = f"#### `{kind.name}`\n\n{kind.summary} *Seen:* {kind.seen}.\n"
    if kind.parameters:
        text += "\n| parameter | default | |\n|---|---|---|\n"
        text += "".join(row_of(name, each) for name, each in kind.parameters.items())
    return f"{text}\nMet in: {kind.incidents}.\n\n"


def page() -> str:
    """Return the whole page."""
    text = HEAD + "| condition | default | |\n|---|---|---|\n"
    text += "".join(row_of(name, each) for name, each in CONDITIONS.items())
    text += RULES
    text += "".join(
        f"| `{name}` | {arguments} | {does} |\n"
        for name, (arguments, does) in CONTROL.items()
    )
    text += "\n## The menu\n\n"
    for point, heading in HEADINGS.items():
        text += f"### {heading}\n\n{NOTES[point]}\n\n"
        kinds = [kind for kind in FAULTS.values() if kind.point is point]
        text += "".join(map(section_of, kinds))
    return text.rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
