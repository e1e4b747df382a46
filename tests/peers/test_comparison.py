"""Random conversations with a real QEMU and the stand-in: `make compare`, in short."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.errors import CommandError
from qmpx.qapi.validation import Validator
from qmpx.standin.profile.file import shipped_profile
from tools.comparison import shrinking
from tools.comparison.alike import compare, shape
from tools.comparison.pair import Heard
from tools.comparison.requests import LEFT_OUT
from tools.comparison.rounds import (
    Difference,
    Differences,
    Tally,
    compare_rounds,
    requests,
)
from tools.comparison.shrinking import shorter
from tools.comparison.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.comparison.program import Message

ROUNDS = 220
REPLIES = 0.93
"""Of all replies, how many agree at least in class and shape."""
ERRORS = 0.95
"""Of all errors, how many agree at least in class and text."""
EVENTS = 0.96
"""Of all requests, after how many the same events come at least."""


@pytest.fixture(scope="module")
def found() -> Iterator[Differences]:
    """Compare a few hundred requests."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder:
        yield compare_rounds(seed=7, rounds=ROUNDS, template=Path(folder))


def differences(found: Differences) -> str:
    """Return what differed, for the message of a test that fails."""
    return "\n".join(f"{count} times: {each}" for count, each in found.frequent())


@pytest.mark.peer("qemu", "qemu-img")
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_replies_agree(found: Differences) -> None:
    total = found.total
    assert total.replies >= 30
    assert total.same_shape >= REPLIES * total.replies, differences(found)


@pytest.mark.peer("qemu", "qemu-img")
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_errors_agree(found: Differences) -> None:
    total = found.total
    assert total.errors >= 100
    assert total.same_text >= ERRORS * total.errors, differences(found)


@pytest.mark.peer("qemu", "qemu-img")
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_events_agree(found: Differences) -> None:
    total = found.total
    assert total.same_events >= EVENTS * total.cases, differences(found)


@pytest.mark.slow
def test_three_of_ten_requests_are_not_as_the_schema_says() -> None:
    schema = ProfileAnswers(shipped_profile()).schema
    validator = Validator(schema)
    refused = 0
    made = requests(1, 600)
    for request in made:
        text = json.dumps(request.get("arguments", {})).encode()
        try:
            validator.check_command(request["execute"], text)
        except CommandError:
            refused += 1
    assert len(made) == 600
    assert 60 <= refused <= 240


@pytest.mark.slow
def test_all_commands_have_their_share_and_a_seed_makes_the_same_requests() -> None:
    made = requests(3, 250)
    assert made == requests(3, 250)
    assert made != requests(4, 250)
    names = {request["execute"] for request in made}
    schema = ProfileAnswers(shipped_profile()).schema
    assert names <= schema.commands.keys() - LEFT_OUT.keys()
    assert len(names) >= 120


@pytest.mark.slow
def test_the_command_that_is_wanted_comes_most_of_the_time() -> None:
    made = requests(3, 300, ["blockdev-add"])
    wanted = [each for each in made if each["execute"] == "blockdev-add"]
    assert len(wanted) >= 130


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict"),
    [
        ({"return": {"a": 1}}, {"return": {"a": 2}}, (False, True, True, False)),
        ({"return": [1, 2]}, {"return": [3]}, (False, True, True, False)),
        ({"return": {}}, {"return": {"a": 1}}, (False, True, False, False)),
        ({"return": {}}, {"error": {}}, (False, False, False, False)),
        (
            {"error": {"class": "GenericError", "desc": "#block123 is busy"}},
            {"error": {"class": "GenericError", "desc": "#block001 is busy"}},
            (True, True, True, True),
        ),
        (
            {"error": {"class": "GenericError", "desc": "no"}},
            {"error": {"class": "DeviceNotFound", "desc": "no"}},
            (True, False, False, False),
        ),
    ],
)
def test_what_counts_as_alike(
    theirs: dict[str, object],
    ours: dict[str, object],
    verdict: tuple[bool, bool, bool, bool],
) -> None:
    told = compare(Heard([], theirs, []), Heard([], ours, []))
    assert told[:4] == verdict
    assert told.same_events


def test_the_side_of_the_reply_counts_for_events() -> None:
    event = {"event": "STOP"}
    before = Heard([event], {"return": {}}, [])
    after = Heard([], {"return": {}}, [event])
    assert not compare(before, after).same_events
    assert compare(before, before).same_events


def test_a_shape_has_kinds_and_names() -> None:
    assert shape({"b": [1, 2.5, "x"], "a": True}) == {
        "a": "boolean",
        "b": ["number", "str"],
    }


def test_shorter_conversations_keep_what_they_end_with() -> None:
    names = [{"execute": name} for name in "abc"]
    last = {"execute": "d", "arguments": {"x": 1}}
    tried = list(shorter([*names, last]))
    assert [last] in tried
    assert [*names[1:], last] in tried
    assert [*names, {"execute": "d", "arguments": {}}] in tried
    assert all(each[-1]["execute"] == "d" for each in tried)


def test_a_difference_is_shrunk_to_what_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def difference(conversation: list[Message]) -> Difference:
        error = {"error": {"class": "GenericError", "desc": "no"}}
        theirs, ours = Heard([], {"return": {}}, []), Heard([], error, [])
        return Difference("pc", conversation, theirs, ours, compare(theirs, ours))

    def play(_: str, conversation: list[Message], __: Path) -> Difference | None:
        names = [request["execute"] for request in conversation]
        return difference(conversation) if {"c", "z"} <= set(names) else None

    monkeypatch.setattr(shrinking, "play", play)
    long = [{"execute": name} for name in "abcdefgh"]
    last = {"execute": "z", "arguments": {"x": 1, "y": 2}}
    short = shrinking.shrink(difference([*long, last]), tmp_path)
    assert short.conversation == [{"execute": "c"}, {"execute": "z", "arguments": {}}]


def test_the_table_has_a_row_for_each_command_and_all(tmp_path: Path) -> None:
    found = Differences(tmp_path)
    found.tallies = {"stop": Tally(2, 1, 1, 1, 1, 3)}
    rows = table(found, 1).splitlines()
    assert rows[-2:] == [
        "| `stop` | 3 | 50.0 % | 50.0 % | 100.0 % | 100.0 % |",
        "| all | 3 | 50.0 % | 50.0 % | 100.0 % | 100.0 % |",
    ]
