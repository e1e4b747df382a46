"""The jobs of a machine: their ids, and how many there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block.jobs import MAX_JOBS

if TYPE_CHECKING:
    from tests.machine.block.conftest import Shop


@pytest.mark.parametrize("id_", ["", "1a", "a b", "a/b"])
def test_ids_are_checked(shop: Shop, id_: str) -> None:
    with pytest.raises(GenericError, match=f"Invalid job ID '{id_}'"):
        shop.graph.jobs.new_id(id_, None)


def test_there_is_an_end_to_jobs(shop: Shop) -> None:
    job = shop.mirror()
    shop.graph.jobs.update({f"j{number}": job for number in range(MAX_JOBS)})
    with pytest.raises(GenericError, match=f"more than {MAX_JOBS} jobs"):
        shop.graph.jobs.new_id("fine", None)
