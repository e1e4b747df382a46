"""The order in which children are told of is that of QEMU."""

from __future__ import annotations

import pytest

from qmpx.machine.qom.child_order import as_listed


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], []),
        (["a"], ["a"]),
        (["pc.ram", "m0", "m1", "r0"], ["m1", "r0", "m0", "pc.ram"]),
        (
            ["charmonitor", "charserial0", "charchannel0"],
            ["charchannel0", "charserial0", "charmonitor"],
        ),
        (  # one more than what the first table has room for
            [
                *("charmonitor", "charserial0", "charchannel0"),
                *("a1", "a2", "a3", "a4", "a5", "a6"),
            ],
            [
                *("a5", "charmonitor", "a6", "charserial0", "a1"),
                *("a2", "a3", "charchannel0", "a4"),
            ],
        ),
        (
            ["d0", "virtio-disk9", "rng0", "scsi0", "scsi1"],
            ["rng0", "scsi0", "virtio-disk9", "d0", "scsi1"],
        ),
    ],
    ids=lambda row: str(len(row)),
)
def test_children_are_listed_as_qemu_does(names: list[str], listed: list[str]) -> None:
    assert as_listed(names) == listed


@pytest.mark.parametrize("count", [7, 8, 100, 10_000])
def test_all_are_listed_once_however_many_there_are(count: int) -> None:
    names = [f"net{number}" for number in range(count)]
    assert sorted(as_listed(names)) == sorted(names)
