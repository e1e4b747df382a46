"""Options of network clients: what each type takes, and how it is read."""

from __future__ import annotations

import pytest

from qmpx.errors import InvalidParameter, InvalidParameterValue
from qmpx.machine.network.options import (
    OPTIONS,
    SIZE_HINT,
    check_options,
    read_number,
    read_size,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("7", 7),
        ("0x10", 16),
        ("010", 8),
        (" 7", 7),
        ("-1", 2**64 - 1),
        ("", None),
        ("x", None),
        ("7x", None),
        ("08", None),
    ],
)
def test_numbers_are_read_as_c_reads_them(text: str, value: int | None) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1k", 1024),
        ("1K", 1024),
        ("1.5M", 3 << 19),
        ("2G", 2 << 30),
        ("1T", 1 << 40),
        ("1kB", 1024),
        ("5b", 5),
        ("", None),
        ("zz", None),
        ("1z", None),
        ("-1", None),
    ],
)
def test_sizes_have_suffixes(text: str, value: int | None) -> None:
    assert read_size(text) == value


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, names in {
            "user": "hostname restrict ip net host tftp bootfile dhcpstart dns smb "
            "smbserver hostfwd guestfwd",
            "tap": "ifname fd script downscript vhostfd",
            "socket": "fd listen connect mcast",
        }.items()
        for name in names.split()
    ],
)
def test_each_type_has_its_options(kind: str, name: str) -> None:
    check_options(kind, {"type": kind, "id": "x", name: "anything"})
    other = "tap" if kind == "user" else "user"
    if name not in OPTIONS[other]:
        with pytest.raises(InvalidParameter) as caught:
            check_options(other, {name: "anything"})
        assert caught.value.data == {"name": name}


@pytest.mark.parametrize(
    ("kind", "name", "good", "bad", "expected", "hint"),
    [
        ("tap", "sndbuf", "1M", "zz", "a size", SIZE_HINT),
        ("tap", "vnet_hdr", "off", "yes", "'on' or 'off'", ""),
        ("tap", "vhost", "on", "", "'on' or 'off'", ""),
        ("nic", "vectors", "3", "x", "a number", ""),
        ("nic", "vlan", "0x1", "1x", "a number", ""),
        ("dump", "len", "64k", "-", "a size", SIZE_HINT),
    ],
)
def test_an_option_that_does_not_parse_is_told(
    kind: str, name: str, good: str, bad: str, expected: str, hint: str
) -> None:
    check_options(kind, {name: good})
    with pytest.raises(InvalidParameterValue) as caught:
        check_options(kind, {name: bad})
    assert caught.value.data == {"name": name, "expected": expected}
    assert caught.value.hint == hint
