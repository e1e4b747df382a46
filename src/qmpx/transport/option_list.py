"""QEMU's option lists, ``value,name=value,switch,noswitch``: their syntax alone.

What each option means is the caller's affair. The caller takes every option that it
knows from an `OptionList` and then closes the list; what is left over was not known,
and is refused by name together with what was asked for. So the list of known options
in the message cannot drift from the code.
"""

from collections.abc import Mapping

from qmpx.errors import AddressError

SWITCHES = {
    **dict.fromkeys(("on", "yes", "true", "y"), True),
    **dict.fromkeys(("off", "no", "false", "n"), False),
}
"""What QEMU takes for the two positions of a switch; ``on`` and ``off`` are meant."""


def escape(text: str) -> str:
    """Return *text* as one value of an option list: each comma doubled."""
    return text.replace(",", ",,")


def split(text: str) -> list[str]:
    """Split *text*, which holds no NUL, at its single commas; a doubled one is a comma.

    Pairs are taken from the left, as QEMU does: ``a,,,b`` is ``a,`` and ``b``.
    """
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


class OptionList:
    """The options of one address, each to be taken by its name.

    Args:
        address: The whole address, for messages.
        options: Value by name; None for a name without a value.
    """

    def __init__(self, address: str, options: Mapping[str, str | None]) -> None:
        self.address = address
        self._left = dict(options)
        self._known: list[str] = []

    @classmethod
    def parse(cls, address: str, segments: list[str]) -> "OptionList":
        """Read *segments*, as `split` gave them; of a repeated option the last counts.

        Raises:
            AddressError: A segment is empty.
        """
        options: dict[str, str | None] = {}
        for segment in segments:
            name, equals, value = segment.partition("=")
            if not name:
                raise AddressError(
                    f"address {address!r} has an empty option: "
                    "expected NAME=VALUE after a comma (a comma itself is ',,')"
                )
            options[name] = value if equals else None
        return cls(address, options)

    def text(self, name: str, *, may_be_empty: bool = False) -> str | None:
        """Take the value of *name*; None when it is absent."""
        self._known.append(name)
        if name not in self._left:
            return None
        value = self._left.pop(name)
        if value is None or not (value or may_be_empty):
            raise AddressError(
                f"address {self.address!r}: option {name!r} has no value: "
                f"expected {name}=VALUE"
            )
        return value

    def switch(self, name: str) -> bool | None:
        """Take a switch: ``name=on``, ``name=off``, or short ``name``, ``noname``."""
        if self._left.get(f"no{name}", "") is None:
            del self._left[f"no{name}"]
            self._left[name] = "off"
        elif self._left.get(name, "") is None:
            self._left[name] = "on"
        if (value := self.text(name)) is None:
            return None
        if value not in SWITCHES:
            raise AddressError(
                f"address {self.address!r}: option {name!r} is {value!r}: "
                "expected on or off"
            )
        return SWITCHES[value]

    def ignore(self, *names: str) -> None:
        """Take options that change nothing here, whatever they say."""
        for name in names:
            self._known.append(name)
            self._left.pop(name, None)
            if self._left.get(f"no{name}", "") is None:
                del self._left[f"no{name}"]

    def refuse(self, name: str, reason: str) -> None:
        """Refuse *name*, a known option that cannot be had, unless it is off or absent.

        Raises:
            AddressError: It is there; the message ends with *reason*.
        """
        if name in self._left and self._left[name] not in {"off", "no", "false", "n"}:
            raise AddressError(
                f"address {self.address!r}: option {name!r} is not supported: {reason}"
            )
        self._left.pop(name, None)

    def close(self) -> None:
        """Refuse what nobody took.

        Raises:
            AddressError: There is such an option; the message names the known ones.
        """
        for name in self._left:
            known = ", ".join(sorted(self._known))
            raise AddressError(
                f"address {self.address!r} has an unknown option {name!r}: "
                f"known here are {known}"
            )
