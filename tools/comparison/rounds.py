"""Many requests to one pair after another, and what comes of it.

A pair is told one request after another, until it has parted (one side has refused what
the other did) or has been told `LONGEST`. So what follows from one difference is not
counted as another.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TextIO

from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.standin.profile.file import shipped_profile
from tools.comparison.alike import Verdict, compare, text
from tools.comparison.pair import Heard, Pair
from tools.comparison.program import Message
from tools.comparison.requests import LEFT_OUT, Requests
from tools.comparison.set_ups import make_files

LONGEST: Final = 60
"""How many requests a pair is told: enough for what one begins and another ends."""

_OFTENER: Final = 4
"""How much more often than others a command is tried that much can be said to."""

_RICH: Final = (
    *("blockdev-add", "device_add", "object-add", "netdev_add", "chardev-add"),
    *("transaction", "blockdev-mirror", "blockdev-backup", "block-commit"),
    *("block-stream", "blockdev-create", "migrate-set-parameters", "qom-get"),
    *("blockdev-reopen", "device_del", "block-export-add", "qom-list", "qom-set"),
)

_SET_UPS: Final = ("pc", "q35", "small", "pc", "q35", "none")


@dataclass
class Difference:
    """Something that the two did not say alike.

    Attributes:
        set_up: The machine.
        conversation: What they were told, the request in question last.
        theirs: What QEMU said to that.
        ours: What the stand-in said.
        verdict: What differs.
    """

    set_up: str
    conversation: list[Message]
    theirs: Heard
    ours: Heard
    verdict: Verdict

    @property
    def kind(self) -> tuple[str, str, str]:
        """What others like it have in common."""
        name = self.conversation[-1]["execute"]
        return name, _brief(self.theirs), _brief(self.ours)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "set-up": self.set_up,
            "conversation": self.conversation,
            "theirs": vars(self.theirs),
            "ours": vars(self.ours),
            "verdict": self.verdict._asdict(),
        }

    def __str__(self) -> str:
        lines = [f"{self.set_up}:"]
        lines += [f"  {json.dumps(each)}" for each in self.conversation]
        for name, heard in (("QEMU", self.theirs), ("ours", self.ours)):
            for message in (*heard.before, heard.reply, *heard.after):
                lines.append(f"    {name}: {json.dumps(message)[:600]}")
        return "\n".join(lines)


def _brief(heard: Heard) -> str:
    error = heard.reply.get("error")
    events = [x["event"] for x in heard.before]
    events += ["|"] + [x["event"] for x in heard.after]
    if error is not None:
        said = text(error["desc"])
    else:
        said = "ended" if heard.has_ended else "ok"
    return said + (f" {' '.join(events)}" if len(events) > 1 else "")


@dataclass
class Tally:
    """How often the two agreed over one command."""

    replies: int = 0
    same_shape: int = 0
    same_values: int = 0
    errors: int = 0
    same_text: int = 0
    same_events: int = 0

    def count(self, verdict: Verdict) -> None:
        """Count one request."""
        is_same = verdict.same_class and verdict.same_text
        if verdict.is_error:
            self.errors += 1
            self.same_text += is_same
        else:
            self.replies += 1
            self.same_shape += is_same
            self.same_values += verdict.same_class and verdict.same_values
        self.same_events += verdict.same_events

    @property
    def cases(self) -> int:
        """How many requests there were."""
        return self.replies + self.errors

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            *map(sum, zip(vars(self).values(), vars(other).values(), strict=True))
        )


@dataclass
class Differences:
    """All that came of it.

    Attributes:
        template: The folder with the files that are there at first.
        tallies: What was counted, by command.
        all: All that differed.
        crashes: How often QEMU crashed; that is not counted otherwise.
        log: Where each difference goes as it is found, values included.
    """

    template: Path
    tallies: dict[str, Tally] = field(default_factory=dict)
    all: list[Difference] = field(default_factory=list)
    crashes: int = 0
    log: TextIO | None = None

    def note(self, name: str, verdict: Verdict) -> None:
        """Count one request."""
        self.tallies.setdefault(name, Tally()).count(verdict)

    @property
    def total(self) -> Tally:
        """The sum over all commands."""
        return sum(self.tallies.values(), Tally())

    def totals(self) -> str:
        """Return the totals in words."""
        total = self.total
        return (
            f"{total.cases} requests: of {total.replies} replies "
            f"{share(total.same_shape, total.replies)} agree in class and shape, "
            f"{share(total.same_values, total.replies)} in all values; of "
            f"{total.errors} errors {share(total.same_text, total.errors)} in class "
            f"and text; events agree in {share(total.same_events, total.cases)}"
        )

    def frequent(self) -> list[tuple[int, Difference]]:
        """Return the kinds of differences, the most frequent first."""
        counts = Counter(difference.kind for difference in self.all)
        shortest: dict[tuple[str, str, str], Difference] = {}
        for difference in self.all:
            known = shortest.get(difference.kind)
            if known is None or len(difference.conversation) < len(known.conversation):
                shortest[difference.kind] = difference
        return [(count, shortest[kind]) for kind, count in counts.most_common()]


def share(part: int, whole: int) -> str:
    """Return a share in percent; an empty text of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def compare_rounds(
    *,
    seed: int,
    rounds: int,
    template: Path,
    wanted: Collection[str] = (),
    set_up: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
    log: TextIO | None = None,
) -> Differences:
    """Tell pairs random requests.

    Args:
        seed: The same seed makes the same requests.
        rounds: How many there are.
        template: An empty folder, for the files that the machines use.
        wanted: Commands that come in most of them; all alike if none is named.
        set_up: The only machine; they take turns if it is not given.
        tell: Is told how far it is.
        log: Where differences go as they are found, a line of JSON each.
    """
    make_files(template)
    found = Differences(template, log=log)
    set_ups = itertools.cycle([set_up] if set_up else _SET_UPS)
    talk = _talk(set_ups, found, tell)
    next(talk)
    with closing(talk):
        for request in requests(seed, rounds, wanted):
            talk.send(request)
    return found


def requests(seed: int, rounds: int, wanted: Collection[str] = ()) -> list[Message]:
    """Return random requests, of each command as many as it has a share, mixed.

    Args:
        seed: The same seed makes the same requests.
        rounds: How many there are.
        wanted: Commands that two of three of them are for.
    """
    schema = ProfileAnswers(shipped_profile()).schema
    shares = {name: 1.0 for name in schema.commands if name not in LEFT_OUT}
    shares |= dict.fromkeys(_RICH, float(_OFTENER))
    more = 2 * sum(shares.values())
    for name in wanted:
        shares[name] += more / len(wanted)
    whole = sum(shares.values())
    source = Requests(schema)
    made: list[Message] = []
    for name, share_ in shares.items():
        made += source.some(name, math.ceil(rounds * share_ / whole), seed)
    Random(seed).shuffle(made)  # noqa: S311 - it is to be the same each time
    return made[:rounds]


def _talk(
    set_ups: Iterator[str], found: Differences, tell: Callable[[str], None]
) -> Generator[None, Message, None]:
    while True:
        set_up = next(set_ups)
        with closing(Pair(set_up, found.template)) as pair:
            conversation: list[Message] = []
            while len(conversation) < LONGEST:
                request = yield
                conversation.append(request)
                theirs, ours = pair.run(request)
                if theirs.has_ended:
                    found.crashes += 1  # of QEMU itself: there is nothing to be like
                    break
                verdict = compare(theirs, ours)
                found.note(request["execute"], verdict)
                what = Difference(set_up, list(conversation), theirs, ours, verdict)
                if not verdict.is_alike:
                    found.all.append(what)
                if found.log is not None and not verdict.same_values:
                    print(json.dumps(what.as_json()), file=found.log, flush=True)
                if verdict.has_parted:
                    break
        tell(found.totals())
