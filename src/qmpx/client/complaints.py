"""When a line of the human monitor failed: it says so, in text for people only.

Over QMP such a line always succeeds, so what it printed has to be read. The forms are
those that some 250 failing lines brought from a QEMU 7.2 for x86_64; a test repeats
most of them there. Some failures cannot be seen: ``qemu-io`` prints what went wrong on
QEMU's own terminal, ``migrate`` goes on in the background, and a few commands say
nothing (``stopcapture`` and ``mce`` of what is not there).
"""

import re
from typing import Final

_FORMS: Final = re.compile(
    r"""[^\n]+\nTry\ "help\ [^\n]+"\ for\ more\ information
    | \w+\ '[^'\n]*'\ not\ found
    | invalid\ (parameter:|CPU\ index|stats\ target)[^\n]*
    | invalid\ format
    | Could\ not\ (open|set\ up\ host\ forwarding\ rule)\ [^\n]*
    | terminal\ does\ not\ support\ password\ prompting
    | Duplicate\ ID\ [^\n]*
    | Can't\ hot-add\ drive\ [^\n]*
    | Must\ specify\ either\ driver\ or\ file
    | Invalid\ (host\ forwarding\ rule|boot\ device|MCE)\ [^\n]*
    | unrecognized\ netdev\ id\ [^\n]*
    | host\ forwarding\ rule\ for\ [^\n]*\ not\ found
    | Input\ device\ [^\n]*\ is\ not\ a\ mouse
    | Mouse\ at\ index\ [^\n]*\ not\ found
    | No\ memory\ is\ mapped\ at\ address\ [^\n]*
    | Path\ '[^\n]*'\ could\ not\ be\ resolved\.
    | No\ CPU\ available
    | '[^'\n]*'\ error\ for\ [^\n]*
    | Error\ opening\ logfile\ [^\n]*
    | unknown\ event\ "[^\n]*"
    | unexpected\ option\ [^\n]*
    | id\ or\ pci\ device\ path\ is\ invalid\ [^\n]*
    | Incorrect\ period\ length\ specified!
    | replay\ must\ be\ enabled\ to\ seek
    | [^\n]*\ allowed\ only\ in\ play\ mode
    | Unmapped
    """,
    re.VERBOSE,
)
"""What is told, with no sign before it, when a command fails: all of the text."""

_LAST: Final = re.compile(
    r"""Error:\ [^\n]+
    | Could\ not\ open\ gdbserver\ [^\n]*
    | [0-9a-f]+:\ Cannot\ access\ memory
    """,
    re.VERBOSE,
)
"""What stands at the end of a text when a command fails, behind the cause of it, or
behind what could be done."""

_FREE: Final = frozenset({"ringbuf_read", "info", "help", "?"})
"""Commands whose answer may hold anything; their first line alone tells."""

_QUIET: Final = frozenset(
    {"eject", "change", "drive_del", "device_del", "object_del", "netdev_del"}
    | {"chardev-remove", "savevm", "loadvm", "delvm", "balloon", "block_resize"}
    | {"sendkey", "set_link", "cont", "stop", "closefd", "block_passwd"}
)
"""Commands that say nothing when they succeed; older QEMUs complain in other words."""


def complaint(text: str, line: str = "") -> str:
    """Return what a human monitor complains of; empty if it does not.

    Args:
        text: What it said.
        line: The line that it said this to, if that is known: more is recognised then.
    """
    text = text.replace("\r\n", "\n").strip()
    first, _, _ = text.partition("\n")
    last = text.rpartition("\n")[2].strip()
    word = line.split()[0] if line.strip() else ""
    if word == "ringbuf_read":
        # What was written into it is anything; what is wrong with it is not.
        is_wrong = re.fullmatch(r"Error: (Device '[^'\n]*' |size )[^\n]*", text)
        return first.removeprefix("Error: ") if is_wrong else ""
    first = first.strip()
    if first.startswith("Error: "):
        return first.removeprefix("Error: ")
    if first.startswith(("unknown command: ", "invalid command")):
        return first
    if _FORMS.fullmatch(text):
        return first
    if word not in _FREE and _LAST.fullmatch(last):
        return first if last.startswith("Error: ") else last
    if word == "log" and first.startswith("Log items") and "help" not in line:
        return "there is no such item: 'help log' lists them"
    if word in _QUIET and first and not first.startswith("warning: "):
        return first
    return ""
