"""Backups: what is where afterwards, on real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import job_verbs
from qmpx.machine.block.backups import BackupJob
from qmpx.machine.block.bitmaps import Bitmap
from tests.machine.block.conftest import KIB, MIB, SIZE, places

if TYPE_CHECKING:
    from tests.machine.block.conftest import Chain


def test_a_backup_is_of_the_moment_when_it_began(chain: Chain) -> None:
    job = BackupJob(chain.graph, "b", chain.top, chain.copy, speed=1)
    chain.graph.jobs.begin(job)
    chain.top.write(2 * MIB, b"\7" * KIB)
    chain.top.write(0, b"\7" * KIB)
    job_verbs.set_speed(job, 0)
    chain.clock.advance(0)
    assert places(chain.copy) == b"\1\2\3"
    assert places(chain.top) == b"\7\2\7"
    assert job.offset == job.total == SIZE


def test_a_backup_of_nothing_keeps_what_is_overwritten(chain: Chain) -> None:
    job = BackupJob(chain.graph, "b", chain.top, chain.copy, sync="none")
    chain.run(job)
    assert (job.status, job.offset) == ("running", 0)
    chain.top.write(2 * MIB, b"\7" * KIB)
    assert places(chain.copy) == b"\0\0\3"
    job.cancel(force=True)
    assert job.error == "Operation canceled"
    chain.top.write(0, b"\7")
    assert places(chain.copy) == b"\0\0\3"


@pytest.mark.parametrize("fails", [False, True])
def test_an_incremental_backup_copies_what_is_dirty(chain: Chain, fails: bool) -> None:
    bitmap = chain.top.bitmaps["x"] = Bitmap("x", 64 * KIB, SIZE)
    chain.top.write(MIB, b"\2" * KIB)
    job = BackupJob(
        chain.graph, "b", chain.top, chain.copy, sync="incremental", bitmap=bitmap
    )
    chain.graph.jobs.begin(job)
    assert (bitmap.is_busy, bitmap.count) == (True, 0)
    if fails:
        job.cancel(force=True)
    chain.clock.advance(0)
    assert job.total == 64 * KIB
    assert places(chain.copy) == (b"\0\0\0" if fails else b"\0\2\0")
    assert (bitmap.is_busy, bitmap.count) == (False, 64 * KIB if fails else 0)
