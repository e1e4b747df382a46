"""``qmpx schema lint``: uses of what some release does not have, or deprecates."""

import argparse
import enum
from collections.abc import Iterator

from qmpx.cli.output import print_json
from qmpx.cli.schema import print_lines, read_schema
from qmpx.errors import LocalProtocolError, SchemaError
from qmpx.qapi.language.files import read_file
from qmpx.qapi.lint import (
    Finding,
    Use,
    findings,
    uses_in_python,
    uses_in_transcript,
)
from qmpx.qapi.model import Schema


class ExitStatus(enum.IntEnum):
    """What is used is there, or deprecated somewhere, or missing somewhere."""

    FINE = 0
    DEPRECATED = 10
    MISSING = 11


def run(arguments: argparse.Namespace) -> int:
    """Print what was found.

    Raises:
        QmpxError: A schema cannot be had, or a file not be read; `main` tells.
    """
    against = {
        source: read_schema(source, arguments)
        for sources in arguments.against
        for source in sources.split(",")
    }
    found = [
        (path, finding, sources)
        for path in arguments.paths
        for finding, sources in _findings(list(_uses(path)), against)
    ]
    if arguments.json:
        print_json(
            [
                {
                    "file": path,
                    "line": finding.line,
                    "column": finding.column,
                    "verdict": finding.verdict,
                    "what": finding.what,
                    "in": sources,
                }
                for path, finding, sources in found
            ]
        )
    else:
        print_lines(
            f"{path}:{finding.line}:{finding.column}: {finding.what} is "
            f"{finding.verdict} in {', '.join(sources)}"
            for path, finding, sources in found
        )
    verdicts = {finding.verdict for _, finding, _ in found}
    if "missing" in verdicts:
        return ExitStatus.MISSING
    return ExitStatus.DEPRECATED if verdicts else ExitStatus.FINE


def _uses(path: str) -> Iterator[Use]:
    try:
        text = read_file(path)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise LocalProtocolError(message) from None
    except UnicodeDecodeError:
        message = f"{path}: not UTF-8"
        raise SchemaError(message) from None
    if path.endswith((".jsonl", ".json")):
        return uses_in_transcript(text, path)
    return uses_in_python(text, path)


def _findings(
    uses: list[Use], against: dict[str, Schema]
) -> list[tuple[Finding, list[str]]]:
    """Return what was found, each with the sources that it holds for."""
    merged: dict[Finding, list[str]] = {}
    for source, schema in against.items():
        for finding in findings(schema, uses):
            sources = merged.setdefault(finding, [])
            if source not in sources:
                sources.append(source)
    return sorted(merged.items(), key=lambda item: (item[0].line, item[0].column))
