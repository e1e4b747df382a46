"""Descriptors of sets that are lent to who opens their files."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from qmpx.monitor.descriptors import DescriptorSets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sets() -> Iterator[DescriptorSets]:
    """Return sets that are closed at the end."""
    made = DescriptorSets()
    yield made
    made.close()


def test_what_is_lent_has_the_access_that_is_wanted(
    sets: DescriptorSets, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    for flags in (os.O_RDONLY, os.O_RDWR):
        sets.add(os.open(tmp_path / "file", flags), 3, None)
    for flags in (os.O_RDONLY, os.O_RDWR):
        fd = sets.lend(3, flags | os.O_NONBLOCK)
        assert os.read(fd, 9) == b"data"
        sets.take_back(fd, running=True)
    assert len(sets.sets[3]) == 2


@pytest.mark.parametrize(
    ("number", "flags", "code"),
    [(3, os.O_WRONLY, errno.EACCES), (4, os.O_RDONLY, errno.ENOENT)],
)
def test_what_there_is_not_is_not_lent(
    sets: DescriptorSets, tmp_path: Path, number: int, flags: int, code: int
) -> None:
    sets.add(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), 3, None)
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        sets.lend(number, flags)
    assert caught.value.errno == code


def test_a_set_outlives_its_descriptors_while_one_is_lent(
    sets: DescriptorSets, tmp_path: Path
) -> None:
    sets.add(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), 3, None)
    fd = sets.lend(3, os.O_RDWR)
    sets.remove(3, None, running=True)
    assert sets.sets == {3: []}
    sets.remove(3, None, running=True)  # as in QEMU, that is no error
    sets.take_back(fd, running=True)
    assert sets.sets == {}


def test_clients_that_go_do_not_take_along_what_is_lent(
    sets: DescriptorSets, tmp_path: Path
) -> None:
    sets.add(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), 3, None)
    fd = sets.lend(3, os.O_RDWR)
    sets.abandon(running=True)
    assert len(sets.sets[3]) == 1
    sets.take_back(fd, running=True)
    sets.abandon(running=True)
    assert sets.sets == {}
