"""File names that are options of block nodes: ``json:{"driver": "raw", ...}``.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Mapping
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block.node_drivers import FILTERS, FORMATS
from qmpx.machine.block.nodes import flat_options
from qmpx.wire.value import read_value

PREFIX: Final = "json:"


def expand(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a drive with what its file name describes in its stead.

    Args:
        options: What ``-drive`` has, all of it.

    Raises:
        GenericError: The name describes no node.
    """
    name = options.get("file", "")
    if not name.startswith(PREFIX):
        return dict(options)
    try:
        described = read_value(name.removeprefix(PREFIX))
    except GenericError as error:
        message = f"Could not parse the JSON options: {error.desc}"
        raise GenericError(message) from None
    if not isinstance(described, dict):
        message = "Invalid JSON object given"
        raise GenericError(message)
    flat = {key: _text(value) for key, value in flat_options(described).items()}
    has_file = any(key.partition(".")[0] == "file" for key in flat)
    if flat.get("driver") in (*FORMATS, *FILTERS) and not has_file:
        message = 'A block device must be specified for "file"'
        raise GenericError(message)
    return {**flat, **{key: text for key, text in options.items() if key != "file"}}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
