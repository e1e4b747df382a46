"""Access control lists."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.display.access import MAX_RULES, AccessList, AccessLists, Rule


@pytest.fixture
def names() -> AccessList:
    names = AccessList()
    names.add("anna", is_allowed=True)
    names.add("b*", is_allowed=False)
    names.add("*", is_allowed=True)
    return names


@pytest.mark.parametrize(
    ("name", "is_allowed"), [("anna", True), ("bob", False), ("carl", True)]
)
def test_the_first_rule_that_fits_decides(
    names: AccessList, name: str, is_allowed: bool
) -> None:
    assert names.allows(name) is is_allowed


def test_whom_no_rule_names_the_policy_decides_on() -> None:
    names = AccessList()
    assert not names.allows("anna")
    names.is_allowed = True
    assert names.allows("anna")


@pytest.mark.parametrize(
    ("index", "place", "order"),
    [
        (None, 4, "anna b* * new"),
        (1, 1, "new anna b* *"),
        (2, 2, "anna new b* *"),
        # 0.13 put what came before the last rule behind it.
        (3, 4, "anna b* * new"),
        (99, 4, "anna b* * new"),
    ],
)
def test_a_rule_is_put_where_it_is_wanted(
    names: AccessList, index: int | None, place: int, order: str
) -> None:
    assert names.add("new", is_allowed=True, index=index) == place
    assert [rule.match for rule in names.rules] == order.split()


@pytest.mark.parametrize("index", [0, -1])
def test_there_is_no_place_before_the_first(names: AccessList, index: int) -> None:
    with pytest.raises(GenericError) as caught:
        names.add("new", is_allowed=True, index=index)
    assert caught.value.desc == "acl: unable to add acl entry"
    assert len(names.rules) == 3


def test_a_list_has_an_end() -> None:
    names = AccessList()
    names.rules = [Rule("x", is_allowed=True)] * MAX_RULES
    with pytest.raises(GenericError) as caught:
        names.add("one more", is_allowed=True)
    assert caught.value.desc == "acl: unable to add acl entry"


def test_the_first_rule_that_is_written_so_is_removed(names: AccessList) -> None:
    assert names.remove("b*") == 2
    assert names.allows("bob")
    with pytest.raises(GenericError) as caught:
        names.remove("b*")
    assert caught.value.desc == "acl: no matching acl entry"


def test_a_reset_lets_nobody_in(names: AccessList) -> None:
    names.is_allowed = True
    names.reset()
    assert not names.allows("anna")


def test_a_list_can_be_kept_and_taken_up_again(names: AccessList) -> None:
    other = AccessList()
    other.restore(names.state())
    assert (other.rules, other.is_allowed) == (names.rules, names.is_allowed)


def test_a_list_that_is_not_there_is_said_to_be_unknown() -> None:
    lists = AccessLists({"vnc.username": AccessList()})
    assert lists.find("vnc.username") is lists["vnc.username"]
    with pytest.raises(GenericError) as caught:
        lists.find("foo")
    assert caught.value.desc == "acl: unknown list 'foo'"
