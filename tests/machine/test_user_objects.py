"""What users have created, by id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError, InvalidParameterValue
from qmpx.machine.objects import IOThread, MemoryBackend, Secret
from qmpx.machine.user_objects import UserObjects

if TYPE_CHECKING:
    from qmpx.machine.objects import UserObject


@pytest.mark.parametrize(
    "made", [Secret(b"hush"), IOThread(), IOThread(1), MemoryBackend(4096)]
)
@pytest.mark.parametrize("id_", ["a", "Z9", "a.b-c_d", "x" * 300])
def test_what_is_created_is_there_under_its_id(id_: str, made: UserObject) -> None:
    objects = UserObjects()
    objects.create(id_, made)
    assert dict(objects) == {id_: made}


@pytest.mark.parametrize("id_", ["", "1a", "-a", "_a", ".a", "a b", "a/b", "é", "a\n"])
def test_an_id_is_an_identifier(id_: str) -> None:
    objects = UserObjects()
    with pytest.raises(InvalidParameterValue) as caught:
        objects.create(id_, IOThread())
    assert caught.value.desc == "Parameter 'id' expects an identifier"
    assert objects == {}


def test_an_id_stands_for_one_object() -> None:
    objects = UserObjects()
    objects.create("a", IOThread(1))
    with pytest.raises(GenericError) as caught:
        objects.create("a", MemoryBackend(1))
    assert caught.value.desc == (
        "attempt to add duplicate property 'a' to object (type 'container')"
    )
    assert objects == {"a": IOThread(1)}


def test_what_is_removed_is_gone_and_its_id_is_free() -> None:
    objects = UserObjects()
    objects.create("a", IOThread())
    objects.create("b", IOThread())
    objects.remove("a")
    assert objects == {"b": IOThread()}
    objects.create("a", MemoryBackend(1))
    assert objects == {"a": MemoryBackend(1), "b": IOThread()}


@pytest.mark.parametrize("id_", ["", "a", "B"])
def test_what_is_not_there_cannot_be_removed(id_: str) -> None:
    objects = UserObjects()
    objects.create("b", IOThread())
    with pytest.raises(GenericError) as caught:
        objects.remove(id_)
    assert caught.value.desc == f"object '{id_}' not found"
    assert objects == {"b": IOThread()}
