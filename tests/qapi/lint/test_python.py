"""Programs that cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.errors import SchemaError
from qmpx.qapi.lint import uses_in_python


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vm.execute(", r"mine\.py:1: not read as Python: '\(' was never closed"),
        ("\0", r"mine\.py: not read as Python: source code .* null bytes"),
        ("(" * 1000, r"mine\.py:1: not read as Python: too many nested parentheses"),
        ("x" + ".y" * 20000, r"mine\.py"),
    ],
)
def test_what_is_no_python_is_told(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        list(uses_in_python(text, "mine.py"))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        uses = list(uses_in_python(text))
    except SchemaError:
        return
    assert uses == []
