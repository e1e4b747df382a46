"""Whether two values are alike: equal, but for what does not count."""

from collections.abc import Collection
from typing import Any

from qmpx.transcript.difference import ANY
from qmpx.transcript.redaction import REDACTED


def is_alike(expected: Any, value: Any, passed_over: Collection[str] = ()) -> bool:
    """Tell whether a value is what was expected.

    Args:
        expected: What was expected; ``...`` and redacted secrets stand for anything.
        value: What there is.
        passed_over: Members that do not count, in objects at any depth.
    """
    if expected is ... or expected in (ANY, REDACTED):
        return True
    if isinstance(expected, dict) and isinstance(value, dict):
        names = {x for x in (*expected, *value) if x not in passed_over}
        return all(
            x in expected
            and x in value
            and is_alike(expected[x], value[x], passed_over)
            for x in names
        )
    if isinstance(expected, (list, tuple)) and isinstance(value, list):
        return len(expected) == len(value) and all(
            is_alike(one, two, passed_over)
            for one, two in zip(expected, value, strict=True)
        )
    if isinstance(expected, bool) or isinstance(value, bool):
        return expected is value
    return bool(expected == value)
