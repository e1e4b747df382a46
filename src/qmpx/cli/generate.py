"""``qmpx schema generate``: code, JSON Schema or a site out of a schema."""

import argparse
import json
import os
import sys
from pathlib import Path

from qmpx.cli.schema import read_source
from qmpx.errors import LocalProtocolError
from qmpx.qapi.builds import resolved
from qmpx.qapi.generation import generate_json_schema, generate_python, generate_site


def run(arguments: argparse.Namespace) -> int:
    """Write what is asked for.

    Raises:
        QmpxError: The schema cannot be had, or a file not be written; `main` tells.
    """
    schema = read_source(arguments)
    if arguments.define is not None:
        schema = resolved(schema, arguments.define)
    title = arguments.title or arguments.source
    match arguments.language:
        case "python":
            _write_or_print(arguments.output, generate_python(schema, title))
        case "json-schema":
            written = json.dumps(generate_json_schema(schema, title), indent=1)
            _write_or_print(arguments.output, written + "\n")
        case _:
            _write_site(Path(arguments.output), generate_site(schema, title))
    return 0


def _write_or_print(output: str, text: str) -> None:
    if output == "-":
        sys.stdout.write(text)
    else:
        _write(Path(output), text)


def _write_site(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make {folder}: {error.strerror}"
        raise LocalProtocolError(message) from None
    for name, text in files.items():
        _write(folder / name, text)
    print(f"{folder / 'index.html'}: {len(files)} files")


def _write(path: Path, text: str) -> None:
    """Write a file so that whoever reads it meanwhile gets all of it, old or new."""
    written = path.with_name(f".{os.getpid()}.new")
    try:
        written.write_text(text, encoding="utf-8")
        written.replace(path)
    except OSError as error:
        written.unlink(missing_ok=True)
        message = f"cannot write {path}: {error.strerror}"
        raise LocalProtocolError(message) from None
