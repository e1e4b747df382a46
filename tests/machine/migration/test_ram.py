"""RAM on its way: what comes, what it costs, what is refused."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.machine.memory import PAGE_SIZE, Memory
from qmpx.machine.migration.ram import (
    MAX_RUN,
    OTHER_RAM,
    PAGE_COST,
    UNUSED_COST,
    RamWalk,
    load_ram,
)
from qmpx.machine.migration.values import StreamError
from qmpx.machine.pages import PageSet

PAGES = 64


def walked(memory: Memory, budget: int) -> list[bytes]:
    """Return the payloads of a memory's first pass, by steps of *budget*."""
    payloads: list[bytes] = []
    walk = RamWalk(memory, PageSet(), payloads.append)
    while walk.remaining:
        assert walk.step(budget) > 0
    assert walk.step(budget) == 0
    walk.flush()
    return payloads


def content(memory: Memory) -> bytes:
    return b"".join(memory.page(number) for number in range(memory.page_count))


@pytest.mark.slow
@given(
    pages=st.dictionaries(st.integers(0, PAGES - 1), st.integers(0, 255), max_size=12),
    budget=st.integers(1, PAGES * PAGE_COST),
    others=st.sets(st.integers(0, PAGES - 1), max_size=8),
)
def test_however_small_the_steps_all_of_memory_comes(
    pages: dict[int, int], budget: int, others: set[int]
) -> None:
    source, destination = (Memory(PAGES * PAGE_SIZE) for _ in range(2))
    for number, byte in pages.items():
        source.set_page(number, bytes([byte]) * PAGE_SIZE)
    for number in others:
        destination.set_page(number, b"old!" * (PAGE_SIZE // 4))
    for payload in walked(source, budget):
        load_ram(destination, payload)
    assert content(destination) == content(source)


def test_pages_of_zeros_are_one_run_however_many() -> None:
    assert walked(Memory(PAGES * PAGE_SIZE), 50) == [struct.pack(">BQI", 0, 0, PAGES)]


def test_a_run_of_data_is_cut_at_a_megabyte() -> None:
    memory = Memory(2 * MAX_RUN * PAGE_SIZE)
    for number in range(MAX_RUN + 1):
        memory.set_page(number, b"\x01" * PAGE_SIZE)
    sizes = [len(payload) for payload in walked(memory, 10**9)]
    assert sizes == [13 + MAX_RUN * PAGE_SIZE, 13 + PAGE_SIZE, 13]


def test_a_page_in_use_counts_in_full_whatever_is_in_it() -> None:
    memory = Memory(PAGES * PAGE_SIZE)
    memory.set_page(3, b"\x01" * PAGE_SIZE)
    memory.set_page(4, b"\x01" * PAGE_SIZE)
    memory.set_page(4, bytes(PAGE_SIZE))
    memory.touch(10, 5)
    walk = RamWalk(memory, PageSet(range(20, 22)), lambda _: None)
    assert walk.total == memory.size + OTHER_RAM
    assert walk.remaining_bytes == memory.size
    in_use = 2 + 5 + 2
    assert walk.step(10**9) == in_use * PAGE_COST + (PAGES - in_use) * UNUSED_COST
    assert (walk.remaining, walk.transferred) == (
        0,
        in_use * PAGE_COST + (PAGES - in_use) * UNUSED_COST,
    )


def test_a_later_pass_has_what_was_written_since_the_one_before() -> None:
    memory = Memory(PAGES * PAGE_SIZE)
    payloads: list[bytes] = []
    walk = RamWalk(memory, PageSet(), payloads.append)
    walk.step(10**9)
    walk.flush()
    memory.set_page(7, b"\x07" * PAGE_SIZE)
    memory.touch(9)
    walk.begin_pass()
    assert walk.remaining == 2
    assert walk.step(10**9) == 2 * PAGE_COST
    walk.flush()
    assert payloads[1:] == [
        struct.pack(">BQI", 1, 7, 1) + b"\x07" * PAGE_SIZE,
        struct.pack(">BQI", 0, 9, 1),
    ]
    assert not memory.dirty


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x00", "a record of RAM ends within a run"),
        (struct.pack(">BQI", 1, 0, 2) + bytes(PAGE_SIZE), "a record of RAM ends"),
        (struct.pack(">BQI", 0, 60, 5), "pages 60 to 65 of 64"),
        (struct.pack(">BQI", 0, 2**64 - 1, 2), "pages 18446744073709551615 to "),
        (struct.pack(">BQI", 2, 0, 1), "there are no runs of kind 2"),
    ],
)
def test_runs_that_do_not_fit_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=f"^{re.escape(message)}"):
        load_ram(Memory(PAGES * PAGE_SIZE), payload)


@given(st.binary(max_size=80))
def test_whatever_comes_only_a_stream_error_escapes(payload: bytes) -> None:
    memory = Memory(PAGES * PAGE_SIZE)
    try:
        load_ram(memory, payload)
    except StreamError:
        assert memory.size == PAGES * PAGE_SIZE
