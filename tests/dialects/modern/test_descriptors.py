"""Descriptors that come with messages: named ones, sets, and their refusals."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import qmpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dialects.conftest import Box

NO_FD = ("GenericError", "No file descriptor supplied via SCM_RIGHTS")


class Pipe:
    """A pipe whose writing end is handed over."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)

    @property
    def is_held(self) -> bool:
        """Whether anybody still has the writing end."""
        try:
            return os.read(self.reading, 1) != b""
        except BlockingIOError:
            return True


@contextmanager
def handed_over(box: Box, name: str, **arguments: Any) -> Iterator[tuple[Pipe, Any]]:
    """Hand a new pipe's end over with a command; yield it and what was returned."""
    pipe = Pipe()
    try:
        try:
            named = {key.replace("_", "-"): value for key, value in arguments.items()}
            value = box.client.execute(name, named, fds=[pipe.writing])
        finally:
            os.close(pipe.writing)
        yield pipe, value
    finally:
        os.close(pipe.reading)


def test_a_named_descriptor_is_kept_until_it_is_closed(box: Box) -> None:
    with handed_over(box, "getfd", fdname="f") as (pipe, value):
        assert value == {}
        held = [pipe.is_held]
        assert box.run("closefd", fdname="f") == {}
        held.append(pipe.is_held)
        assert held == [True, False]
    desc = "File descriptor named 'f' not found"
    assert box.refusal("closefd", fdname="f") == ("GenericError", desc)


def test_a_name_used_again_lets_the_first_one_go(box: Box) -> None:
    with (
        handed_over(box, "getfd", fdname="f") as (first, _),
        handed_over(box, "getfd", fdname="f") as (second, _),
    ):
        assert (first.is_held, second.is_held) == (False, True)
        box.run("closefd", fdname="f")
        assert not second.is_held


def test_a_name_may_not_begin_with_a_digit(box: Box) -> None:
    pipe = Pipe()
    with pytest.raises(
        qmpx.CommandError, match="'fdname' expects a name not starting with a digit"
    ):
        box.client.execute("getfd", fdname="1st", fds=[pipe.writing])
    os.close(pipe.writing)
    assert not pipe.is_held
    os.close(pipe.reading)


@pytest.mark.parametrize(
    ("command", "arguments"), [("getfd", {"fdname": "f"}), ("add-fd", {})]
)
def test_without_a_descriptor_there_is_nothing_to_keep(
    box: Box, command: str, arguments: dict[str, str]
) -> None:
    assert box.refusal(command, **arguments) == NO_FD


def test_sets_take_the_lowest_free_number(box: Box) -> None:
    with (
        handed_over(box, "add-fd", opaque="note") as (_, first),
        handed_over(box, "add-fd", fdset_id=2) as (_, second),
        handed_over(box, "add-fd") as (_, third),
        handed_over(box, "add-fd", fdset_id=0) as (_, fourth),
    ):
        numbers = [added["fdset-id"] for added in (first, second, third, fourth)]
        assert numbers == [0, 2, 1, 0]
        assert box.run("query-fdsets") == [
            {"fdset-id": 2, "fds": [{"fd": second["fd"]}]},
            {"fdset-id": 1, "fds": [{"fd": third["fd"]}]},
            {
                "fdset-id": 0,
                "fds": [{"fd": first["fd"], "opaque": "note"}, {"fd": fourth["fd"]}],
            },
        ]


@pytest.mark.parametrize("by_number", [False, True])
def test_what_is_removed_while_it_runs_is_closed(box: Box, by_number: bool) -> None:
    box.run("cont")
    with (
        handed_over(box, "add-fd", fdset_id=1) as (one, added),
        handed_over(box, "add-fd", fdset_id=1) as (other, _),
    ):
        which = {"fd": added["fd"]} if by_number else {}
        assert box.run("remove-fd", fdset_id=1, **which) == {}
        assert (one.is_held, other.is_held) == (False, by_number)


def test_what_is_removed_while_it_is_paused_stays_for_now(box: Box) -> None:
    with handed_over(box, "add-fd", fdset_id=1) as (pipe, _):
        assert box.run("remove-fd", fdset_id=1) == {}
        assert pipe.is_held


def test_all_are_closed_when_the_last_client_goes(box: Box) -> None:
    box.run("cont")
    with (
        handed_over(box, "add-fd") as (in_set, _),
        handed_over(box, "getfd", fdname="f") as (named, _),
    ):
        box.client.close()
        with qmpx.connect(box.address) as other:
            assert other.execute("query-fdsets") == []
            assert not in_set.is_held
            assert named.is_held  # it belongs to the monitor
            other.execute("closefd", fdname="f")
            held = named.is_held
            assert not held


@pytest.mark.parametrize(
    ("command", "arguments", "desc"),
    [
        ("remove-fd", {"fdset_id": 5}, "File descriptor named 'fdset-id:5' not found"),
        (
            "remove-fd",
            {"fdset_id": 5, "fd": 6},
            "File descriptor named 'fdset-id:5, fd:6' not found",
        ),
        ("remove-fd", {}, "Parameter 'fdset-id' is missing"),
        ("closefd", {}, "Parameter 'fdname' is missing"),
        ("getfd", {}, "Parameter 'fdname' is missing"),
        (
            "add-fd",
            {"opaque": 1},
            "Invalid parameter type for 'opaque', expected: string",
        ),
    ],
)
def test_refusals(box: Box, command: str, arguments: dict[str, Any], desc: str) -> None:
    assert box.refusal(command, **arguments) == ("GenericError", desc)


def test_a_set_has_no_negative_number(box: Box) -> None:
    with (
        pytest.raises(qmpx.CommandError, match="'fdset-id' expects a non-negative"),
        handed_over(box, "add-fd", fdset_id=-1),
    ):
        pass
    assert box.run("query-fdsets") == []
