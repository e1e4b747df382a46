"""How 0.13 writes memory, values and ports."""

from __future__ import annotations

import pytest

from qmpx.dialects.v2010.dumps import (
    MAX_DUMPED,
    show_character,
    show_memory,
    show_port,
    show_value,
)
from qmpx.errors import GenericError
from qmpx.monitor.human import Format

DATA = b"\xea[\xe0\x00\xf006/23/99\x00\xfc\x00'\\\n\r~\x7f\x80"


def read(address: int, length: int) -> bytes | None:
    return DATA[address : address + length].ljust(length, b"\x00")


@pytest.mark.parametrize(
    ("fmt", "shown"),
    [
        (Format(3, "x", 1), "00000000: 0xea 0x5b 0xe0\n"),
        (
            Format(9, "x", 1),
            "00000000: 0xea 0x5b 0xe0 0x00 0xf0 0x30 0x36 0x2f\n00000008: 0x32\n",
        ),
        (Format(1, "x", 2), "00000000: 0x5bea\n"),
        (
            Format(5, "x", 4),
            (
                "00000000: 0x00e05bea 0x2f3630f0 0x392f3332 0x00fc0039\n"
                "00000010: 0x0d0a5c27\n"
            ),
        ),
        (
            Format(2, "x", 8),
            "00000000: 0x2f3630f000e05bea 0x00fc0039392f3332\n",
        ),
        (Format(2, "o", 1), "00000000: 0352 0133\n"),
        (Format(4, "o", 1), "00000000: 0352 0133 0340   0\n"),
        (Format(2, "o", 2), "00000000: 055752   0340\n"),
        (Format(2, "u", 1), "00000000: 234  91\n"),
        (Format(2, "d", 2), "00000000: 23530   224\n"),
        (
            Format(4, "u", 4),
            "00000000:   14703594  792080624  959394610   16515129\n",
        ),
        (
            Format(1, "d", 8),
            "00000000:  3401960375889976298\n",
        ),
        (Format(2, "c", 1), "00000000: '\\xea' '['\n"),
        (Format(1, "c", 4), "00000000: '\\xea' '[' '\\xe0' '\\x00'\n"),
        (Format(0, "x", 4), ""),
    ],
)
def test_memory_is_written_in_lines(fmt: Format, shown: str) -> None:
    assert show_memory(read, fmt, 0) == shown


def test_addresses_have_32_bits() -> None:
    text = show_memory(lambda _, n: bytes(n), Format(5, "x", 4), (1 << 32) - 16)
    assert [line[:9] for line in text.splitlines()] == ["fffffff0:", "00000000:"]


def test_it_ends_where_nothing_is_mapped() -> None:
    def half(address: int, length: int) -> bytes | None:
        return bytes(length) if address < 16 else None

    assert show_memory(half, Format(40, "x", 1), 8) == (
        "00000008: 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00\n"
        "00000010: Cannot access memory\n"
    )


@pytest.mark.slow
def test_only_so_much_is_shown() -> None:
    show_memory(lambda _, n: bytes(n), Format(MAX_DUMPED // 8, "x", 8), 0)
    with pytest.raises(GenericError) as caught:
        show_memory(read, Format(MAX_DUMPED // 8 + 1, "x", 8), 0)
    assert caught.value.desc == (
        f"{MAX_DUMPED + 8} bytes are more than the {MAX_DUMPED} that can be shown"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ord("a"), "'a'"),
        (32, "' '"),
        (126, "'~'"),
        (127, "'\\x7f'"),
        (31, "'\\x1f'"),
        (0, "'\\x00'"),
        (39, "'\\''"),
        (92, "'\\\\'"),
        (10, "'\\n'"),
        (13, "'\\r'"),
        (9, "'\\x09'"),
        (353, "'\\x161'"),
        (-1, "'\\xffffffff'"),
    ],
)
def test_characters_stand_in_quotes(value: int, shown: str) -> None:
    assert show_character(value) == shown


@pytest.mark.parametrize(
    ("format_", "value", "shown"),
    [
        ("x", 255, "0xff"),
        ("x", 0, "0"),
        ("x", -1, "0xffffffff"),
        ("x", 1 << 32, "0"),
        ("o", 8, "010"),
        ("o", 0, "0"),
        ("u", -1, "4294967295"),
        ("d", -1, "-1"),
        ("d", 0x80000000, "-2147483648"),
        ("i", 7, "7"),
        ("c", 97, "'a'"),
    ],
)
def test_values_have_32_bits(format_: str, value: int, shown: str) -> None:
    assert show_value(format_, value) == shown


@pytest.mark.parametrize(
    ("size", "width", "value", "shown"),
    [
        (1, 1, 0xFF, "portb[0x0070] = 0xff\n"),
        (1, 1, 0x05, "portb[0x0070] = 0x5\n"),
        (1, 1, 0x00, "portb[0x0070] = 00\n"),
        (2, 2, 0x17, "portw[0x0070] = 0x17\n"),
        (2, 2, 0x00, "portw[0x0070] = 0000\n"),
        (4, 4, 0xFFFF, "portl[0x0070] = 0x00ffff\n"),
        (4, 4, 0xFFFFFFFF, "portl[0x0070] = 0xffffffff\n"),
        (1, 8, 0xFF, "portb[0x0070] = 0x000000000000ff\n"),
        (1, -1, 0xFF, "portb[0x0070] = 0xff\n"),
        (1, -1, 0x05, "portb[0x0070] = 0x5\n"),
        (1, -1, 0x00, "portb[0x0070] = 0 \n"),
    ],
)
def test_ports_are_written_as_the_library_of_c_does(
    size: int, width: int, value: int, shown: str
) -> None:
    assert show_port(0x70, size, width, value) == shown
