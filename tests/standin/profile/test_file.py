"""Profiles in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceNotFound
from qmpx.standin.profile.errors import ProfileError
from qmpx.standin.profile.file import (
    MAGIC,
    Profile,
    canonical,
    read_profile,
    refused,
    returned,
    shipped_profile,
    write_profile,
)

if TYPE_CHECKING:
    from pathlib import Path

VERSION = b'{"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}'
RECORDS = {
    "* query-target {}": returned(b'{"arch": "x86_64"}'),
    "kvm query-cpu-definitions {}": returned(b'[{"name": "host"}]'),
    "tcg query-cpu-definitions {}": returned(b'[{"name": "max"}]'),
    '* device-list-properties {"typename":"x"}': refused("DeviceNotFound", "no x"),
    "text -machine help": b"Supported machines are:\n",
}


@pytest.fixture
def data() -> bytes:
    return write_profile(VERSION, RECORDS.items(), [b'return [{"name": "max"}]'])


def test_what_was_written_is_found_again(data: bytes) -> None:
    profile = Profile(data, "p")
    assert profile.version == VERSION
    assert profile.find("query-target") == b'{"arch": "x86_64"}'
    assert profile.find("query-target", "{}", "kvm") == b'{"arch": "x86_64"}'
    assert profile.find("query-cpu-definitions", "{}", "kvm") == b'[{"name": "host"}]'
    assert profile.find("query-cpu-definitions") == b'[{"name": "max"}]'
    assert profile.find("query-block") is None
    assert profile.text("-machine help") == "Supported machines are:\n"
    assert profile.text("-cpu help") is None
    assert set(profile.keys()) == set(RECORDS)


def test_an_error_of_the_binary_is_raised(data: bytes) -> None:
    arguments = canonical({"typename": "x"})
    with pytest.raises(DeviceNotFound, match="no x"):
        Profile(data, "p").find("device-list-properties", arguments)


def test_arguments_have_one_spelling() -> None:
    assert canonical({"b": [1, None], "a": "ü"}) == '{"a":"\\u00fc","b":[1,null]}'


def test_the_shipped_profile_is_of_a_qemu_7_2() -> None:
    profile = shipped_profile()
    assert profile.version.startswith(
        b'{"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian '
    )
    assert profile.find("query-target") == b'{"arch": "x86_64"}'
    assert profile.text("-help") is None


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"#!/bin/sh\n",
        MAGIC,
        MAGIC + VERSION + b"\n1 2\n",
        MAGIC + VERSION + b"\nx y\n",
    ],
)
def test_what_is_no_profile_is_refused(damaged: bytes) -> None:
    with pytest.raises(ProfileError):
        Profile(damaged, "p").find("query-target")


def test_every_cut_of_a_profile_is_noticed_or_does_no_harm(data: bytes) -> None:
    for size in range(len(data)):
        try:
            found = Profile(data[:size], "p").find("query-target")
        except ProfileError:
            continue
        assert found in (None, b'{"arch": "x86_64"}')


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"cannot read the profile .*: No such file"):
        read_profile(tmp_path / "x")
