"""Values that all devices of a type get unless they are told others: ``-global``.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qmpx.errors import CommandError, GenericError
from qmpx.machine.qom.values import read_text

if TYPE_CHECKING:
    from qmpx.machine.qom.objects import QomObject
    from qmpx.machine.qom.types import Property, TypeSource


@dataclass(slots=True)
class Global:
    """A value for all devices of a type, and of those that derive from it.

    Attributes:
        driver: The type.
        name: The property.
        text: The value, as a text.
        is_used: Whether a device got it.
    """

    driver: str
    name: str
    text: str
    is_used: bool = False

    def failure(self, reason: str) -> GenericError:
        """Return what says that a device cannot have it."""
        shown = f"{self.driver}.{self.name}={self.text}"
        return GenericError(f"can't apply global {shown}: {reason}")

    def refusal(self, error: CommandError, known: "Property") -> GenericError:
        """Return why its text is no value; of numbers QEMU names the type here."""
        desc = error.desc
        if desc.endswith("expects integer"):
            word = "uint64" if known.type.startswith(("uint", "size")) else "int64"
            desc = desc.removesuffix("integer") + word
        return self.failure(desc)


class Globals:
    """All of them, in their order: of several for one property the last counts."""

    def __init__(self) -> None:
        self._all: list[Global] = []

    def add(self, driver: str, name: str, text: str) -> None:
        """Take one more."""
        self._all.append(Global(driver, name, text))

    def of(self, shown: "QomObject") -> Iterator[Global]:
        """Yield those that are for an object."""
        for each in self._all:
            if shown.isa(each.driver):
                yield each

    def give(
        self,
        shown: "QomObject",
        types: "TypeSource",
        set_value: Callable[[str, str], None] | None = None,
    ) -> None:
        """Give an object what is for it.

        Args:
            shown: The object.
            types: What types there are.
            set_value: Sets a property to a text; by default it is just shown.

        Raises:
            GenericError: It has no such property, or that takes no such value.
        """
        for each in self.of(shown):
            known = types.device_properties(shown.type).get(each.name)
            if known is None:
                message = f"Property '{shown.type}.{each.name}' not found"
                raise each.failure(message)
            each.is_used = True
            try:
                if set_value is None:
                    value = read_text(each.name, known.type, each.text)
                    shown.values[each.name] = value
                else:
                    set_value(each.name, each.text)
            except CommandError as error:
                raise each.refusal(error, known) from None

    def complaints(self, types: "TypeSource") -> Iterator[str]:
        """Yield what is to be said of those that no device got, and none will."""
        for each in self._all:
            if each.is_used:
                continue
            known = types.properties(each.driver)
            if "realized" not in known and "hotpluggable" not in known:
                yield f"global {each.driver}.{each.name} has invalid class name"
                continue
            facts = types.model(each.driver)
            if facts is not None and not facts.is_hotpluggable:
                yield f"global {each.driver}.{each.name}={each.text} not used"
