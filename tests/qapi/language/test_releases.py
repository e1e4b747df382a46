"""By whose rules a schema is read."""

from __future__ import annotations

import pytest

from qmpx.qapi.language.releases import (
    MIN_DESCRIPTIONS,
    Release,
    read_release,
    release_of,
)

WRAPPED = "# @member: a description\n#     of two lines\n"
ALIGNED = "# @member: a description\n#          of two lines\n"


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("", (7, 2)),
        ("# Since: 2.5\n", (7, 2)),
        ("# Since: 7.2\n# Since: 8.0\n# Since: 1.0\n", (8, 0)),
        ("# Since: 10.1\n", (10, 1)),
        ("# (Since: 10.1)\n#  Since: 10.1\n", (7, 2)),
        ("# Errors:\n", (9, 0)),
        ("{ 'pragma': { 'documentation-exceptions': [] } }", (9, 0)),
        ("# .. note:: text\n", (9, 1)),
        ("# .. qmp-example::\n", (9, 1)),
        (WRAPPED * MIN_DESCRIPTIONS, (8, 1)),
        (WRAPPED * (MIN_DESCRIPTIONS - 1), (7, 2)),
        (WRAPPED * MIN_DESCRIPTIONS + ALIGNED * MIN_DESCRIPTIONS, (7, 2)),
        ("# @a: b\n#     c\n" * MIN_DESCRIPTIONS, (7, 2)),
    ],
)
def test_a_schema_shows_by_whose_rules_it_is_written(
    text: str, release: Release
) -> None:
    assert release_of([text]) == release
    assert release_of(["", text, ""]) == release


@pytest.mark.parametrize(
    ("text", "release"),
    [("9.2", (9, 2)), ("v10.0", (10, 0)), ("9.2.0-rc2", (9, 2)), ("7.2-5", (7, 2))],
)
def test_a_release_is_named_by_its_version(text: str, release: Release) -> None:
    assert read_release(text) == release


@pytest.mark.parametrize("text", ["", "9", "9.x", "nine", "9.2rc2", "-9.2", "9999.2"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no release of QEMU"):
        read_release(text)
