from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.client.deadlines import (
    DEADLINES,
    DISK_TIMEOUT,
    MEMORY_TIMEOUT,
    TIMEOUT,
    longest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.conftest import ByHand, Conversation, Face


def answer_nothing(peer: Conversation) -> None:
    """Negotiate, and say no more."""
    peer.negotiate()
    peer.rest()


def test_no_command_of_the_table_has_less_than_the_others() -> None:
    assert all(seconds is None or seconds > TIMEOUT for seconds in DEADLINES.values())
    assert DEADLINES["blockdev-add"] == DISK_TIMEOUT
    assert DEADLINES["dump-guest-memory"] == MEMORY_TIMEOUT
    assert "query-status" not in DEADLINES


@pytest.mark.parametrize(
    ("figures", "expected"), [([1.0, 3.0, 2.0], 3.0), ([1.0, None], None)]
)
def test_for_ever_is_the_longest(figures: Any, expected: float | None) -> None:
    assert longest(figures) == expected


@pytest.mark.parametrize(
    ("options", "command", "shown"),
    [
        ({"timeout": 0.05}, "blockdev-add", "0.05"),  # sets the table aside
        ({"deadlines": {"blockdev-add": 0.04}}, "blockdev-add", "0.04"),
        ({"timeout": 9.0, "deadlines": {"x": 0.03}}, "x", "0.03"),
    ],
)
def test_whoever_connects_may_change_them(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    options: dict[str, Any],
    command: str,
    shown: str,
) -> None:
    by_hand(answer_nothing)
    vm = face.connect(path, **options)
    with pytest.raises(qmpx.DeadlineExceeded, match=rf"'{command}' within {shown} s"):
        vm.execute(command)
    with pytest.raises(qmpx.DeadlineExceeded, match=rf"within {shown} s"):
        vm.execute_many([command])


def test_a_call_goes_before_all(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(answer_nothing)
    vm = face.connect(path, deadlines={"x": 9.0})
    with pytest.raises(qmpx.DeadlineExceeded, match=r"'x' within 0\.02 s"):
        vm.execute("x", timeout=0.02)
