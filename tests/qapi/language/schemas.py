"""Schemas for tests: written to files, and what is said when they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qmpx.errors import SchemaError
from qmpx.qapi.language import Release, load_schema

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.qapi.model import Schema

FILE = "t.json"


class Load(Protocol):
    """The fixture `load`."""

    def __call__(
        self, text: str, release: Release | None = None, **files: str
    ) -> Schema:
        """Load the schema that is *text*, which may include *files* (``NAME.json``)."""


def write(folder: Path, text: str, files: dict[str, str]) -> None:
    """Write schema files; those that are included by the stems of their names."""
    for name, content in {"t": text, **files}.items():
        with (folder / f"{name}.json").open("w", encoding="utf-8", newline="") as file:
            file.write(content)


def refusal(load: Load, text: str, release: Release | None = None, **files: str) -> str:
    """Return what is said when a schema is refused; empty if it is not."""
    try:
        load(text, release, **files)
    except SchemaError as error:
        return str(error)
    return ""


def loader(folder: Path) -> Load:
    """Return what loads schemas from a folder, which has to be the current one."""

    def load(text: str, release: Release | None = None, **files: str) -> Schema:
        write(folder, text, files)
        return load_schema(FILE, release=release)

    return load
