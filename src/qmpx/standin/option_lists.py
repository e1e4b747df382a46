"""QEMU's two languages for what stands after an option.

An *option list*, ``name=value,switch,noswitch``, has a fixed set of names, each with a
type. *Key-value* text, ``a.b=value``, has none: names with dots make objects within
objects, and a schema says what is right. In both, two commas stand for one.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from qmpx.standin.failure import StartFailure

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from qmpx.errors import CommandError

    OptionTypes = Mapping[str, str]  # name to ``str``, ``bool``, ``number``, ``size``

MAX_INDEX: Final = 1000
"""The highest number of a list's element in a key: what stands above has gaps below."""

SWITCHES: Final = {
    **dict.fromkeys(("on", "yes", "true", "y"), True),
    **dict.fromkeys(("off", "no", "false", "n"), False),
}
"""The positions of a switch."""

# Used where a look does not tell: to import `re` would take longer than all the rest.
_IDENTIFIER: Final = r"[A-Za-z][A-Za-z0-9._-]*"
_KEY: Final = r"[A-Za-z_][A-Za-z0-9_-]*|[0-9]+"
_NUMBER: Final = r"0[xX][0-9a-fA-F]+|[0-9]+"
_SIZE: Final = r"([0-9]+(?:\.[0-9]*)?|0[xX][0-9a-fA-F]+)([BbKkMmGgTtPpEe]?)"
_UNITS: Final = {unit: 1024**power for power, unit in enumerate("BKMGTPE")}
_SIZE_HINT: Final = (
    "\nOptional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-"
    "\nand exabytes, respectively."
)


class OptionList(dict[str, str]):
    """What an option list says, by name; of a repeated name the last counts.

    Args:
        option: The option, such as ``-chardev``, for messages.
        text: What stands after it.
        types: Its names; ``None`` if any will do.
        implied: The name of a first value that stands alone.
        warn: Told of what is deprecated.

    Attributes:
        option: The option.
        text: What stands after it.
        id: Its ``id``, if it has one.
        pairs: All names and values in their order.

    Raises:
        StartFailure: A name is unknown, a value is none of its type, the id is none.
    """

    def __init__(
        self,
        option: str,
        text: str,
        types: OptionTypes | None = None,
        implied: str = "",
        warn: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.option = option
        self.text = text
        self.id: str | None = None
        self.pairs: list[tuple[str, str]] = []
        for number, part in enumerate(split(text)):
            name, equals, value = part.partition("=")
            if not equals and number == 0 and implied:
                name, value = implied, part
            elif not equals:
                name, value = self._switch(part, warn)
            if name:
                self._add(name, value, types)

    def _switch(self, part: str, warn: Callable[[str], None] | None) -> tuple[str, str]:
        if part in {"help", "?", ""}:
            return part, "on"
        name, value = (part[2:], "off") if part.startswith("no") else (part, "on")
        if warn is not None:
            warn(
                f"{self.option} {self.text}: warning: short-form boolean option "
                f"'{part}' deprecated\nPlease use {name}={value} instead"
            )
        return name, value

    def _add(self, name: str, value: str, types: OptionTypes | None) -> None:
        if name == "id":
            # What Python calls an identifier, too, needs no pattern.
            is_plain = value.isascii() and value.isidentifier() and value[0] != "_"
            if not is_plain and not _matches(_IDENTIFIER, value):
                raise self.failure(
                    "Parameter 'id' expects an identifier\nIdentifiers consist of "
                    "letters, digits, '-', '.', '_', starting with a letter."
                )
            self.id = value
        elif types is not None:
            if name not in types:
                raise self.failure(f"Invalid parameter '{name}'")
            self._check(name, value, types[name])
        self[name] = value
        self.pairs.append((name, value))

    def _check(self, name: str, value: str, kind: str) -> None:
        if kind == "bool" and value not in SWITCHES:
            raise self.failure(f"Parameter '{name}' expects 'on' or 'off'")
        if kind == "number" and not (
            (value.isdecimal() and value.isascii()) or _matches(_NUMBER, value)
        ):
            raise self.failure(f"Parameter '{name}' expects a number")
        if kind == "size" and read_size(value) is None:
            raise self.failure(
                f"Parameter '{name}' expects a non-negative number below 2^64"
                + _SIZE_HINT
            )

    def failure(self, message: str) -> StartFailure:
        """Return what says that this option is wrong."""
        return StartFailure(message, self.option, self.text)

    def refusal(self, error: CommandError) -> StartFailure:
        """Return what says that what this option asks for cannot be had.

        A note of the error tells more than its text, which is the same for programs.
        """
        return self.failure(next(iter(getattr(error, "__notes__", ())), error.desc))

    def switch(self, name: str, *, default: bool = False) -> bool:
        """Return the position of a switch."""
        return SWITCHES[self[name]] if name in self else default

    def number(self, name: str, default: int = 0) -> int:
        """Return a number."""
        return int(self[name], 0) if name in self else default


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.fullmatch(pattern, text) is not None


def _is_decimal(digits: str) -> bool:
    whole, _, part = digits.partition(".")
    return whole.isdecimal() and (not part or part.isdecimal())


def is_help(value: str) -> bool:
    """Whether a value asks what values there are."""
    return value in ("help", "?")


def split(text: str) -> list[str]:
    """Split at single commas; a doubled one is a comma. Pairs count from the left."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def read_size(text: str, unit: str = "B") -> int | None:
    """Return a size in bytes; ``None`` if the text is none.

    Args:
        text: Digits, perhaps with a unit behind them.
        unit: The unit if there is none.
    """
    digits = text[:-1] if text[-1:].upper() in _UNITS else text
    if digits[:2] in ("0x", "0X"):
        # Here B and E are digits: a pattern tells them from units.
        import re

        match = re.fullmatch(_SIZE, text)
        if match is None:
            return None
        digits = match[1]
    elif not digits.isascii() or not _is_decimal(digits):
        return None
    suffix = text[len(digits) :]
    if digits[:2].lower() == "0x":
        size = int(digits, 16) * _UNITS[(suffix or unit).upper()]
    elif "." in digits:
        size = int(float(f"0{digits}0") * _UNITS[(suffix or unit).upper()])
    else:
        size = int(digits) * _UNITS[(suffix or unit).upper()]
    return size if size < 2**64 else None


def parse_keyval(option: str, text: str, implied: str = "") -> dict[str, Any]:
    """Return key-value text as objects, lists and strings.

    Args:
        option: The option, for messages.
        text: What stands after it: such as ``driver=file,cache.direct=on``.
        implied: The key of a first value that stands alone.

    Raises:
        StartFailure: A key has no value, or two keys contradict each other.
    """
    root: dict[str, Any] = {}
    for number, part in enumerate(split(text)):
        key, equals, value = part.partition("=")
        if not equals and number == 0 and implied:
            key, value = implied, part
        elif not equals:
            if not part and number:
                continue  # a comma at the end
            message = f"Expected '=' after parameter '{part}'"
            raise StartFailure(message, option, text)
        _put(root, key, value, option, text)
    return {name: _lists(member, option, text, name) for name, member in root.items()}


def _put(root: dict[str, Any], key: str, value: str, option: str, text: str) -> None:
    at = root
    *above, last = key.split(".")
    seen = ""
    for name in (*above, last):
        if not name.isidentifier() and not _matches(_KEY, name):
            raise StartFailure(f"Invalid parameter '{key}'", option, text)
    for name in above:
        seen = f"{seen}.{name}" if seen else name
        at = at.setdefault(name, {})
        if not isinstance(at, dict):
            message = f"Parameters '{seen}.*' used inconsistently"
            raise StartFailure(message, option, text)
    if isinstance(at.get(last), dict):
        message = f"Parameters '{key}.*' used inconsistently"
        raise StartFailure(message, option, text)
    at[last] = value


def _lists(value: Any, option: str, text: str, key: str) -> Any:
    """Make lists of the objects whose keys are numbers."""
    if not isinstance(value, dict):
        return value
    members = {
        name: _lists(member, option, text, f"{key}.{name}")
        for name, member in value.items()
    }
    numbers = [name for name in members if name.isdecimal()]
    if not numbers:
        return members
    if len(numbers) != len(members):
        message = f"Parameters '{key}.*' used inconsistently"
        raise StartFailure(message, option, text)
    ordered = sorted(numbers, key=int)
    for expected, name in enumerate(ordered):
        if int(name) > MAX_INDEX or int(name) != expected:
            message = f"Parameter '{key}.{expected}' missing"
            raise StartFailure(message, option, text)
    return [members[name] for name in ordered]
