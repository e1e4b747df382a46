"""The order in which QEMU goes through names."""

from __future__ import annotations

import random

import pytest

from qmpx.machine.qom.order import in_table_order


@pytest.mark.parametrize(
    ("names", "first"),
    [  # which of them a QEMU 7.2.22 refuses as properties of a virtio-rng-pci
        (["memdev", "core-id", "iothread", "nope"], "core-id"),
        (["size", "bootindex", "iothread"], "bootindex"),
        (["baz", "drive", "chassis", "bar"], "bar"),
    ],
)
def test_the_first_is_the_one_that_qemu_refuses(names: list[str], first: str) -> None:
    assert in_table_order(names)[0] == first


def test_it_does_not_depend_on_the_order_in_which_they_come() -> None:
    names = ["a", "b", "c", "id", "bus", "driver", "serial"]
    expected = in_table_order(names)
    for seed in range(5):
        random.Random(seed).shuffle(names)
        assert in_table_order(names) == expected
