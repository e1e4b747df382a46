"""The order in which QEMU goes through the members of an object."""

from __future__ import annotations

import pytest

from qmpx.wire.member_order import MAX_NAMES, bucket, order

ORDERS = [
    ("version capabilities", "version capabilities"),
    ("qemu package", "qemu package"),
    ("major minor micro", "micro minor major"),
    ("id return", "return id"),
    ("class desc data", "class desc data"),
    ("data event timestamp", "timestamp event data"),
    ("running singlestep", "singlestep running"),
    ("present enabled", "enabled present"),
    ("inserted type locked removable device", "device locked removable inserted type"),
    ("file drv ro encrypted backing_file", "ro drv backing_file encrypted file"),
    ("CPU current halted pc", "current CPU pc halted"),
    ("name index absolute current", "index name current absolute"),
    ("id arguments execute", "execute arguments id"),
    ("host service family auth", "auth family service host"),
    ("arguments execute foo exec-oob bar", "exec-oob bar execute arguments foo"),
]


@pytest.mark.parametrize(("given_names", "expected"), ORDERS)
def test_members_stand_in_the_order_of_their_hash(
    given_names: str, expected: str
) -> None:
    assert " ".join(order(given_names.split())) == expected


@pytest.mark.parametrize(("length", "is_remembered"), [(3, True), (MAX_NAMES, False)])
def test_orders_of_long_names_are_not_remembered(
    length: int, is_remembered: bool
) -> None:
    names = ("b" * length, "remembered")
    assert order(names) == order(names)
    assert (order(names) is order(names)) is is_remembered


def test_a_bucket_is_one_of_512() -> None:
    found = {bucket(f"name-{n}") for n in range(10_000)}
    assert found <= set(range(512))
    assert len(found) > 100
