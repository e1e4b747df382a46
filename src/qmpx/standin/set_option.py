"""``-set``: one more thing that an option says which came before.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from qmpx.standin.failure import StartFailure

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any

    from qmpx.standin.command_line import CommandLine


def set_later(line: CommandLine, option: str, value: str) -> None:
    """Carry out ``-set GROUP.ID.NAME=VALUE``.

    Raises:
        StartFailure: It does not read so, or nothing is called that.
    """
    place, equals, text = value.partition("=")
    group, _, rest = place.partition(".")
    id_, dot, name = rest.partition(".")
    if not equals or not dot or not (group and id_ and name):
        message = f'can\'t parse: "{value}"'
        raise StartFailure(message, option, value)
    found = _find(line, group, id_)
    if found is None:
        message = f'there is no {group} "{id_}" defined'
        raise StartFailure(message, option, value)
    found[name] = text


def _find(line: CommandLine, group: str, id_: str) -> dict[str, Any] | None:
    """Return what such an option says; ``None`` if there is none."""
    lists = {"drive": line.drives, "chardev": line.character_devices}
    for options in lists.get(group, ()):
        if options.id == id_:
            return options
    for backend in line.backends:
        is_alike = backend.option == f"-{group}" and not backend.is_json
        if is_alike and backend.values.get("id") == id_:
            return backend.values
    return None
