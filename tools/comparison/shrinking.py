"""Making a conversation that ends in a difference as short as it can be."""

import copy
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from tools.comparison.alike import compare
from tools.comparison.pair import Pair
from tools.comparison.program import Message
from tools.comparison.rounds import Difference

MOST_ATTEMPTS: Final = 60
"""How many shorter conversations are tried: each takes half a second."""


def shrink(difference: Difference, template: Path) -> Difference:
    """Return the same difference after as little as possible.

    First what came before is left out, in halves and then one by one; then arguments.

    Args:
        difference: What is to be shrunk.
        template: The folder with the files that are there at first.
    """
    attempts = 0
    found = difference
    progressed = True
    while progressed:
        progressed = False
        for fewer in shorter(found.conversation):
            if attempts == MOST_ATTEMPTS:
                return found
            attempts += 1
            again = play(found.set_up, fewer, template)
            if again is not None and again.kind == difference.kind:
                found, progressed = again, True
                break
    return found


def shorter(conversation: list[Message]) -> Iterator[list[Message]]:
    """Yield shorter conversations that end with the same command."""
    *before, last = conversation
    length = len(before)
    size = length
    while size:
        for start in range(0, length, size):
            yield [*before[:start], *before[start + size :], last]
        size //= 2
    for position, request in enumerate(conversation):
        for name in request.get("arguments", {}):
            fewer = copy.deepcopy(conversation)
            del fewer[position]["arguments"][name]
            yield fewer


def play(set_up: str, conversation: list[Message], template: Path) -> Difference | None:
    """Tell a new pair something; return how the last of it differs, if it does."""
    with closing(Pair(set_up, template)) as pair:
        for request in conversation:
            theirs, ours = pair.run(request)
        verdict = compare(theirs, ours)
        if verdict.is_alike:
            return None
        return Difference(set_up, conversation, theirs, ours, verdict)
