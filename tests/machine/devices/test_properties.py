"""The types of device properties: texts in, texts out."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.machine.devices.properties import (
    BIT,
    CHR,
    DRIVE,
    HEX32,
    INT32,
    MACADDR,
    PCI_DEVFN,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    VLAN,
    BadValue,
    InUse,
    NoSuchThing,
    PropertyType,
)


class Shelf:
    """Surroundings with one of each thing, and one of each that is taken."""

    def claim(self, kind: str, name: str) -> Any:
        if name == "gone":
            raise NoSuchThing(name)
        if name == "taken":
            raise InUse(name)
        return int(name) if kind == "vlan" else f"{kind}:{name}"


SHELF = Shelf()


@pytest.mark.parametrize(
    ("type_", "text", "value", "shown"),
    [
        (UINT8, "7", 7, "7"),
        (UINT8, "0x10", 16, "16"),
        (UINT8, "010", 8, "8"),
        (UINT8, " 3", 3, "3"),
        (UINT8, "256", 0, "0"),
        (UINT16, "-1", 65535, "65535"),
        (UINT32, "-1", 4294967295, "4294967295"),
        (UINT32, "4294967296", 0, "0"),
        (HEX32, "10", 16, "0x10"),
        (HEX32, "0x3f8", 0x3F8, "0x3f8"),
        (HEX32, "0", 0, "0x0"),
        (INT32, "-5", -5, "-5"),
        (INT32, "2147483648", -2147483648, "-2147483648"),
        (BIT, "on", True, "on"),
        (BIT, "OFF", False, "off"),
        (BIT, "only the first letters count", True, "on"),
        (STRING, "", "", '""'),
        (STRING, 'a"b', 'a"b', '"a"b"'),
        (MACADDR, "52-54-00-AB-cd-ef", "52:54:00:ab:cd:ef", "52:54:00:ab:cd:ef"),
        (MACADDR, "52:54-00:12:34:56", "52:54:00:12:34:56", "52:54:00:12:34:56"),
        (MACADDR, "00:00:00:00:00:00", None, "00:00:00:00:00:00"),
        (PCI_DEVFN, "5", 40, "05.0"),
        (PCI_DEVFN, "1f.7", 255, "1f.7"),
        (PCI_DEVFN, "0x1.0x2", 10, "01.2"),
        (VLAN, "3 and more", 3, "3"),
        (DRIVE, "hd", "drive:hd", "drive:hd"),
        (CHR, "c", "chr:c", "chr:c"),
    ],
)
def test_a_text_becomes_a_value_and_is_shown(
    type_: PropertyType, text: str, value: Any, shown: str
) -> None:
    parsed = type_.parse(text, SHELF)
    assert (parsed, type_.show(parsed)) == (value, shown)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *((UINT8, text) for text in ("", "x", "1x", "0x", "08", "1 ")),
        *((INT32, text) for text in ("", "0x10", "1.5")),
        *((HEX32, text) for text in ("", "g", "0x")),
        *((BIT, text) for text in ("", "o", "yes", "1", "of")),
        *(
            (MACADDR, text)
            for text in ("5", "52:54:00:12:34", "52:54:00:12:34:5g", "525400123456")
        ),
        (MACADDR, "52:54:00:12:34:56:78"),
        *((PCI_DEVFN, text) for text in ("zz", "", "20", "1.8", "4.", "4.0 ", "-1")),
        *((VLAN, text) for text in ("", "x")),
    ],
)
def test_a_text_that_is_no_value_is_refused(type_: PropertyType, text: str) -> None:
    with pytest.raises(BadValue):
        type_.parse(text, SHELF)


@pytest.mark.parametrize(("name", "error"), [("gone", NoSuchThing), ("taken", InUse)])
def test_what_cannot_be_had_is_told_apart(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        DRIVE.parse(name, SHELF)


@pytest.mark.parametrize(
    ("type_", "value", "shown"),
    [(STRING, None, "<null>"), (DRIVE, None, "<null>"), (VLAN, None, "<null>")],
)
def test_nothing_is_shown_as_null(type_: PropertyType, value: None, shown: str) -> None:
    assert type_.show(value) == shown


def test_a_slot_that_nobody_chose_is_unset() -> None:
    assert PCI_DEVFN.show(-1) == "<unset>"
