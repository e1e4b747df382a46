"""The commands that may run out of band, in band and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import qmpx

if TYPE_CHECKING:
    from tests.dialects.conftest import Box

OWN = {"type": "chardev", "id": "compat_monitor0"}
NOT_FOUND = ("DeviceNotFound", "Instance not found")


@pytest.fixture(params=["execute", "exec_oob"])
def run(request: pytest.FixtureRequest, box: Box) -> Any:
    """Run a command, in band or out of it."""
    return getattr(box.client, request.param)


def test_what_can_be_broken_off(run: Any) -> None:
    assert run("query-yank") == [OWN]


def test_a_connection_is_broken_off(box: Box, run: Any) -> None:
    with qmpx.connect(box.address) as other:
        with pytest.raises(qmpx.ConnectionLost):
            run("yank", instances=[OWN])
        with pytest.raises(qmpx.ConnectionLost):
            other.execute("query-status")
    with qmpx.connect(box.address) as again:
        assert again.execute("query-status")["status"] == "prelaunch"


@pytest.mark.parametrize(
    "instance",
    [
        {"type": "chardev", "id": "other"},
        {"type": "chardev", "id": ""},
        {"type": "block-node", "node-name": "disk-node"},
        {"type": "migration"},
    ],
)
def test_all_have_to_be_there_or_nothing_is_done(
    box: Box, run: Any, instance: dict[str, str]
) -> None:
    with pytest.raises(qmpx.CommandError) as caught:
        run("yank", instances=[OWN, instance])
    assert (caught.value.error_class, caught.value.desc) == NOT_FOUND
    assert box.run("query-yank") == [OWN]


def test_nothing_to_break_off_is_done_at_once(run: Any) -> None:
    assert run("yank", instances=[]) == {}


def test_there_is_no_migration_to_pause(run: Any) -> None:
    desc = "migrate-pause is currently only supported during postcopy-active state"
    with pytest.raises(qmpx.CommandError, match=desc):
        run("migrate-pause")


@pytest.mark.parametrize(
    ("instances", "desc"),
    [
        (1, "Invalid parameter type for 'instances', expected: array"),
        ([1], "Invalid parameter type for 'instances[0]', expected: object"),
        ([{}], "Parameter 'instances[0].type' is missing"),
        ([{"type": "x"}], "Parameter 'type' does not accept value 'x'"),
        ([{"type": "chardev"}], "Parameter 'instances[0].id' is missing"),
        (
            [{"type": "migration", "id": ""}],
            "Parameter 'instances[0].id' is unexpected",
        ),
        (
            [{"type": "migration"}, {"type": "block-node"}],
            "Parameter 'instances[1].node-name' is missing",
        ),
    ],
)
def test_instances_are_checked(box: Box, run: Any, instances: Any, desc: str) -> None:
    with pytest.raises(qmpx.CommandError) as caught:
        run("yank", instances=instances)
    assert (caught.value.error_class, caught.value.desc) == ("GenericError", desc)
    assert box.refusal("yank") == ("GenericError", "Parameter 'instances' is missing")
