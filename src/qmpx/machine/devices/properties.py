"""The types of device properties: how a text becomes a value, and back.

A type knows the syntax only. Types that name something else (a drive, a network back
end) ask the `Surroundings` whether it is there and still free.

Source: what QEMU 0.13 took and showed; its numbers are read by C's ``strtoul``, so
white space, signs and wrapping around are what they are there.
"""

import re
from typing import Any, Final, Protocol

from qmpx.machine.values import Value

NULL: Final = "<null>"
"""How a property that names nothing is shown."""

UNSET: Final = -1
"""The slot of a device that may go anywhere."""

_C_NUMBER: Final = {
    0: re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)"),
    10: re.compile(r"\s*([+-]?)([0-9]+)"),
    16: re.compile(r"\s*([+-]?)((?:0[xX])?[0-9a-fA-F]+)"),
}
_MAC: Final = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")
_PCI_ADDRESS: Final = re.compile(
    r"\s*(?:0[xX])?([0-9a-fA-F]+)(?:\.(?:0[xX])?([0-9a-fA-F]+))?"
)
_DECIMAL: Final = re.compile(r"\s*([+-]?[0-9]+)")

_LAST_SLOT: Final = 31
_LAST_FUNCTION: Final = 7


class BadValue(ValueError):
    """The text is no value of this type."""


class NoSuchThing(LookupError):
    """The text names something that is not there."""


class InUse(LookupError):
    """The text names something that another device has."""


class Surroundings(Protocol):
    """What a property may name: drives, network back ends, character devices."""

    def claim(self, kind: str, name: str) -> Any:
        """Take something for a device, and return what the property holds then.

        Args:
            kind: ``drive``, ``netdev``, ``vlan`` or ``chr``.
            name: Its name.

        Raises:
            NoSuchThing: There is none of that name.
            InUse: Another device has it.
        """


def c_number(text: str, base: int = 0) -> int:
    """Read a whole text as C's ``strtol`` reads a number, without a limit.

    Raises:
        BadValue: It is none, or something follows.
    """
    match = _C_NUMBER[base].fullmatch(text)
    if match is None:
        raise BadValue(text)
    sign, digits = match.groups()
    octal = base == 0 and digits.startswith("0") and digits.isdigit()
    value = int(digits, 8 if octal else base or 0)
    return -value if sign == "-" else value


def parse_mac(text: str) -> str | None:
    """Return an address with colons; ``None`` for six zeros, which ask for any.

    Raises:
        BadValue: It is none.
    """
    if _MAC.fullmatch(text) is None:
        raise BadValue(text)
    mac = text.lower().replace("-", ":")
    return None if mac == "00:00:00:00:00:00" else mac


class PropertyType(Value, frozen=True):
    """A type of properties.

    Attributes:
        name: QEMU's name for it, which ``device_add MODEL,?`` shows.
    """

    name: str

    def parse(self, text: str, surroundings: Surroundings) -> Any:
        """Return the value that a text stands for.

        Raises:
            BadValue: It stands for none.
            NoSuchThing: It names something that is not there.
            InUse: It names something that is taken.
        """
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """Return a value as ``info qtree`` shows it."""
        raise NotImplementedError


class Unsigned(PropertyType, frozen=True):
    """A number that is cut to its width, as assigning to a C variable does.

    Attributes:
        bits: The width.
        base: 0 takes decimal, octal and hexadecimal; 16 hexadecimal only.
    """

    bits: int
    base: int = 0

    def parse(self, text: str, surroundings: Surroundings) -> int:  # noqa: ARG002
        """Read it; ``-1`` is the greatest number of the width."""
        return c_number(text, self.base) & ((1 << self.bits) - 1)

    def show(self, value: int) -> str:
        """Show it in its base."""
        value &= (1 << self.bits) - 1
        return f"{value:#x}" if self.base else str(value)


class Signed(PropertyType, frozen=True):
    """A decimal number of 32 bits."""

    def parse(self, text: str, surroundings: Surroundings) -> int:  # noqa: ARG002
        """Read it."""
        value = c_number(text, 10) & 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value

    def show(self, value: int) -> str:
        """Show it in decimal."""
        return str(value)


class Bit(PropertyType, frozen=True):
    """On or off; only the first letters count."""

    def parse(self, text: str, surroundings: Surroundings) -> bool:  # noqa: ARG002
        """Read it."""
        lower = text.lower()
        if lower.startswith("on"):
            return True
        if lower.startswith("off"):
            return False
        raise BadValue(text)

    def show(self, value: bool) -> str:  # noqa: FBT001 - a value, not an option
        """Show ``on`` or ``off``."""
        return "on" if value else "off"


class Text(PropertyType, frozen=True):
    """Any text."""

    def parse(self, text: str, surroundings: Surroundings) -> str:  # noqa: ARG002
        """Take it as it is."""
        return text

    def show(self, value: str | None) -> str:
        """Show it in quotes."""
        return NULL if value is None else f'"{value}"'


class MacAddress(PropertyType, frozen=True):
    """Six bytes in hexadecimal, with colons or dashes between; ``None`` is unset."""

    def parse(self, text: str, surroundings: Surroundings) -> str | None:  # noqa: ARG002
        """Read it."""
        return parse_mac(text)

    def show(self, value: str | None) -> str:
        """Show it with colons."""
        return value or "00:00:00:00:00:00"


class PciAddress(PropertyType, frozen=True):
    """Slot, or slot and function, in hexadecimal; the value is both in one number."""

    def parse(self, text: str, surroundings: Surroundings) -> int:  # noqa: ARG002
        """Read ``SLOT`` or ``SLOT.FUNCTION``."""
        match = _PCI_ADDRESS.fullmatch(text)
        if match is None:
            raise BadValue(text)
        slot, function = int(match[1], 16), int(match[2] or "0", 16)
        if slot > _LAST_SLOT or function > _LAST_FUNCTION:
            raise BadValue(text)
        return slot << 3 | function

    def show(self, value: int) -> str:
        """Show slot and function."""
        return "<unset>" if value == UNSET else f"{value >> 3:02x}.{value & 7:x}"


class Claim(PropertyType, frozen=True):
    """The name of something that one device can have: a drive, a back end."""

    def parse(self, text: str, surroundings: Surroundings) -> Any:
        """Take it."""
        return surroundings.claim(self.name, text)

    def show(self, value: str | None) -> str:
        """Show its name."""
        return NULL if value is None else str(value)


class Vlan(PropertyType, frozen=True):
    """The number of a vlan, which is made if it is not there; text may follow it."""

    def parse(self, text: str, surroundings: Surroundings) -> Any:
        """Read it, and make it."""
        match = _DECIMAL.match(text)
        if match is None:
            raise BadValue(text)
        return surroundings.claim("vlan", match[1])

    def show(self, value: int | None) -> str:
        """Show its number."""
        return NULL if value is None else str(value)


BIT: Final = Bit("on/off")
UINT8: Final = Unsigned("uint8", 8)
UINT16: Final = Unsigned("uint16", 16)
UINT32: Final = Unsigned("uint32", 32)
INT32: Final = Signed("int32")
HEX32: Final = Unsigned("hex32", 32, 16)
STRING: Final = Text("string")
DRIVE: Final = Claim("drive")
CHR: Final = Claim("chr")
NETDEV: Final = Claim("netdev")
VLAN: Final = Vlan("vlan")
MACADDR: Final = MacAddress("macaddr")
PCI_DEVFN: Final = PciAddress("pci-devfn")


class Property(Value, frozen=True):
    """A property of a model, or of everything on a bus.

    Attributes:
        name: Its name.
        type: Its type.
        default: What it is unless somebody says.
    """

    name: str
    type: PropertyType
    default: Any = None
