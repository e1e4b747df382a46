"""What a transcript uses: JSON, a line each, with messages anywhere within it."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from qmpx.errors import SchemaError
from qmpx.qapi.lint.uses import NOTHING, Known, Part, Place, Use

_COMMANDS: Final = ("execute", "exec-oob", "execute_async")


def uses_in_transcript(text: str, path: str = "<text>") -> Iterator[Use]:
    """Yield the commands and events of a transcript.

    Lines may be messages or hold them, such as ``{"sent": {"execute": ...}}``. Empty
    lines do not count. Columns are those of the names.

    Args:
        text: The transcript.
        path: Its file, for messages.

    Raises:
        SchemaError: A line is no JSON.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = msgspec.json.decode(line)
            yield from _Line(line, number).uses(value)
        except (msgspec.DecodeError, RecursionError) as error:
            message = f"{path}:{number}: not read as JSON: {error}"
            raise SchemaError(message) from None


class _Line:
    # Strings are looked for from where the last one was found: messages are read in
    # the order in which they are written.

    def __init__(self, text: str, number: int) -> None:
        self._text = text
        self._number = number
        self._at = 0

    def uses(self, value: Any) -> Iterator[Use]:
        """Yield what a value uses, whatever it is."""
        if isinstance(value, list):
            for each in value:
                yield from self.uses(each)
        if not isinstance(value, dict):
            return
        name = next(
            (value[key] for key in _COMMANDS if isinstance(value.get(key), str)), None
        )
        if name is not None:
            start = self._at
            place = self._find(name)
            self._at = start  # the arguments may come first
            given = value.get("arguments")
            known = NOTHING if given is None else self._known(given)
            yield Use(place, "command", name, known)
        elif isinstance(value.get("event"), str) and "timestamp" in value:
            yield Use(self._find(value["event"]), "event", value["event"], NOTHING)
        elif "return" not in value and "error" not in value:
            for each in value.values():
                yield from self.uses(each)

    def _known(self, value: Any) -> Known:
        match value:
            case str():
                return Known(self._find(value), value)
            case list():
                place = self._here()
                return Known(place, [self._known(each) for each in value])
            case dict():
                place = self._here()
                parts = {}
                for name, inner in value.items():
                    parts[name] = Part(self._find(name), self._known(inner))
                return Known(place, parts)
            case _:
                return Known(self._here())

    def _here(self) -> Place:
        return Place(self._number, self._at + 1)

    def _find(self, text: str) -> Place:
        """Return where a string stands, from here on; here, if it is escaped."""
        found = re.compile(f"""["']{re.escape(text)}["']""").search(
            self._text, self._at
        )
        if found is not None:
            self._at = found.end()
            return Place(self._number, found.start() + 1)
        return self._here()
