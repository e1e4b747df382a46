"""``qmpx errors``: the error catalogue."""

import argparse
import json

from qmpx.errors import MODERN_CLASSES, AddressError, CommandError

HEADINGS = ("CLASS", "TODAY", "DATA", "DESCRIPTION")


def run(arguments: argparse.Namespace) -> None:
    """Print each error class of QMP once, in the order of their names."""
    rows = [row(error) for _, error in sorted(CommandError.catalogue.items())]
    if arguments.names:
        wanted = {name.lower() for name in arguments.names}
        unknown = wanted - {str(r["class"]).lower() for r in rows}
        if unknown:
            message = f"there is no error class {min(unknown)!r}"
            raise AddressError(f"{message}: 'qmpx errors' lists them all")
        rows = [r for r in rows if str(r["class"]).lower() in wanted]
    if arguments.json:
        for each in rows:
            print(json.dumps(each))
        return
    cells = [HEADINGS, *(_cells(r) for r in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    for line in cells:
        columns = [f"{text:{width}}" for text, width in zip(line, widths, strict=False)]
        print("  ".join([*columns, line[3]]).rstrip())


def row(error: type[CommandError]) -> dict[str, object]:
    """Return what the catalogue says of one class.

    Args:
        error: The class.

    Returns:
        Its name, the name that it has on the wire since QEMU 1.2, the members of its
        data, its descriptions of today and of 2010.
    """
    name = error.__name__
    return {
        "class": name,
        "today": name if name in MODERN_CLASSES else "GenericError",
        "data": list(error.members),
        "description": error.template,
        "description-2010": error.template_2010 or error.template,
    }


def _cells(each: dict[str, object]) -> tuple[str, str, str, str]:
    data = each["data"]
    return (
        str(each["class"]),
        str(each["today"]),
        ", ".join(data) if isinstance(data, list) else "",
        str(each["description-2010"]),
    )
