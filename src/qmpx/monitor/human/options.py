"""``key=value,key=value``: the option lists of ``-device``, ``device_add`` and others.

A comma in a value is doubled. The first value may do without its key where the list has
an implied one. A word alone is a flag: ``name`` is ``on``, ``noname`` is ``off``.

Source: QEMU 0.13, observed and read.
"""

from typing import Final

IMPLIED_KEYS: Final = {"device": "driver", "netdev": "type"}
"""The key that the first value of a list may do without, by the list's name."""

MAX_KEY: Final = 127
"""Characters of a key that are looked at, as in QEMU: no option has so long a name."""


def parse_options(text: str, implied_key: str = "") -> dict[str, str]:
    """Return the options of a list; of several with one key the last one counts.

    For ``id`` it is the first one that counts, as in QEMU, which looks for it before
    everything else; it comes first in what is returned.

    Args:
        text: The list.
        implied_key: What the first value is if it has no key; may be empty.
    """
    options = {} if (id_ := _find_id(text)) is None else {"id": id_}
    at = 0
    while at < len(text):
        equals, comma = text.find("=", at), text.find(",", at)
        has_key = equals >= 0 and not 0 <= comma < equals
        if has_key:
            key = text[at:equals]
            value, at = _read_value(text, equals + 1)
        elif at == 0 and implied_key:
            key = implied_key
            value, at = _read_value(text, at)
        else:
            end = comma if comma >= 0 else len(text)
            key, value, at = text[at:end], "on", end
            if key.startswith("no"):
                key, value = key[2:], "off"
        if key != "id":
            options[key[:MAX_KEY]] = value
        at += 1  # the comma
    return options


def _find_id(text: str) -> str | None:
    if text.startswith("id="):
        return _read_value(text, len("id="))[0]
    at = text.find(",id=")
    return None if at < 0 else _read_value(text, at + len(",id="))[0]


def _read_value(text: str, at: int) -> tuple[str, int]:
    """Return the value that begins here, and where the comma behind it is."""
    pieces: list[str] = []
    while True:
        comma = text.find(",", at)
        if comma < 0:
            return "".join([*pieces, text[at:]]), len(text)
        if text[comma + 1 : comma + 2] != ",":
            return "".join([*pieces, text[at:comma]]), comma
        pieces.append(text[at : comma + 1])
        at = comma + 2
