"""Jobs that end together: in which order, and what one does to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmpx.machine.block.backups import BackupJob
from qmpx.machine.block.changes import begin, group, make
from qmpx.machine.happenings import JobMoved

if TYPE_CHECKING:
    from tests.machine.block.conftest import Shop


def two(shop: Shop, *, waits: bool) -> None:
    """Begin two backups that end together; the first may wait for ever."""
    for name in ("source2", "target2"):
        shop.null(name, 1 << 20)
    nodes = shop.graph.nodes
    jobs = [
        BackupJob(shop.graph, "a", nodes["source"], nodes["target"],
                  sync="none" if waits else "full"),
        BackupJob(shop.graph, "b", nodes["source2"], nodes["target2"]),
    ]  # fmt: skip
    group(jobs)
    make([lambda job=job: begin(shop.graph, job) for job in jobs])  # type: ignore[misc]


def moves(shop: Shop) -> list[tuple[str, str]]:
    """Return who came to which state since the last time."""
    told = [(x.id, x.status) for x in shop.told if isinstance(x, JobMoved)]
    shop.told.clear()
    return told


def test_the_latest_ends_first(shop: Shop) -> None:
    two(shop, waits=False)
    assert moves(shop) == [
        *(("a", "created"), ("b", "created")),
        *(("a", "running"), ("a", "paused"), ("b", "running"), ("b", "paused")),
        *(("a", "running"), ("b", "running")),
    ]
    shop.clock.advance(0)
    assert sorted(moves(shop)[:2]) == [("a", "waiting"), ("b", "waiting")]
    assert shop.graph.jobs == {}


def test_one_that_is_cancelled_takes_those_that_wait_for_it_along(shop: Shop) -> None:
    two(shop, waits=True)
    shop.clock.advance(0)
    moves(shop)
    shop.graph.jobs["a"].cancel(force=True)
    assert moves(shop) == [
        *(("a", "aborting"), ("b", "aborting")),
        *(("b", "concluded"), ("b", "null"), ("a", "concluded"), ("a", "null")),
    ]


def test_one_that_never_began_is_called_off_without_a_word_of_its_end(
    shop: Shop,
) -> None:
    nodes = shop.graph.nodes
    job = BackupJob(shop.graph, "a", nodes["source"], nodes["target"])
    begin(shop.graph, job).undo()
    assert [x.status for x in shop.told] == ["created", "aborting", "concluded", "null"]
    assert sorted(nodes) == ["source", "target"]
    assert nodes["source"].claims == nodes["target"].claims == []
