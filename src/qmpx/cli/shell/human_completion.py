"""What may come next in a line for the human monitor, by what its ``help`` lists."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from qmpx.cli.human_text import HumanCommand
from qmpx.cli.shell.completion import Candidate

_PLACES: Final = {
    "device": "drives",
    "id": "devices",
    "filename": "files",
    "new-image-file": "files",
    "target": "files",
    "path": "qom",
    "driver": "models",
}
_EXACT: Final = {
    ("chardev-remove", "id"): "chardevs",
    ("chardev-change", "id"): "chardevs",
    ("netdev_del", "id"): "netdevs",
    ("object_del", "id"): "objects",
    ("set_link", "name"): "netdevs",
    ("qom-list", "path"): "qom",
}


class HumanSlot(NamedTuple):
    """What is being typed of a line for the human monitor.

    Attributes:
        start: Where in the line it begins.
        prefix: What of it stands there.
        candidates: What may stand there, as far as ``help`` tells.
        places: What only the machine knows, as in `qmpx.cli.shell.slots.Slot`.
        about: What the command takes and does.
    """

    start: int
    prefix: str
    candidates: list[Candidate]
    places: str
    about: str


def human_slot(
    line: str, commands: Sequence[HumanCommand], topics: Sequence[HumanCommand]
) -> HumanSlot:
    """Say what is being typed at the end of a line.

    Args:
        line: The line for the human monitor, up to the cursor.
        commands: Its commands.
        topics: What its ``info`` knows.
    """
    begin = len(line) - len(line.lstrip())
    words = line.split()
    is_typing = bool(words) and not line[-1].isspace()
    prefix = words[-1] if is_typing else ""
    start = len(line) - len(prefix)
    before = words[:-1] if is_typing else words
    if not before:
        return HumanSlot(max(start, begin), prefix, _named(commands, prefix), "", "")
    first = before[0]
    if first in ("info", "help", "?") and len(before) == 1:
        known = topics if first == "info" else commands
        return HumanSlot(start, prefix, _named(known, prefix), "", "")
    if first == "info":
        found = _find(topics, before[1])
        return HumanSlot(start, prefix, [], "", _about(found, "info "))
    found = _find(commands, first)
    places = ""
    if found is not None:
        takes = [w.strip("[]") for w in found.takes.split() if not w.startswith("[-")]
        given = [word for word in before[1:] if not word.startswith("-")]
        if len(given) < len(takes):
            parameter = takes[len(given)].partition("[")[0].rstrip(",")
            name = found.names[0]
            places = _EXACT.get((name, parameter), _PLACES.get(parameter, ""))
    return HumanSlot(start, prefix, [], places, _about(found, ""))


def _find(known: Sequence[HumanCommand], name: str) -> HumanCommand | None:
    return next((each for each in known if name in each.names), None)


def _about(found: HumanCommand | None, lead: str) -> str:
    if found is None:
        return ""
    usage = f"{lead}{'|'.join(found.names)} {found.takes}".rstrip()
    return f"{usage}: {found.what}"


def _named(known: Sequence[HumanCommand], prefix: str) -> list[Candidate]:
    return [
        Candidate(name, name, f"{each.takes}  {each.what}".strip())
        for each in known
        for name in each.names
        if name.startswith(prefix)
    ]
