"""What users may call things by."""

from __future__ import annotations

import pytest

from qmpx.errors import InvalidParameterValue
from qmpx.machine.identifiers import HINT, check_identifier


@pytest.mark.parametrize("text", ["a", "Z9", "a.b-c_d", "x" * 300])
def test_an_identifier_begins_with_a_letter(text: str) -> None:
    check_identifier(text)


@pytest.mark.parametrize("text", ["", "1a", "-a", "_a", ".a", "a b", "a/b", "é", "a\n"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterValue) as caught:
        check_identifier(text)
    assert caught.value.data == {"name": "id", "expected": "an identifier"}
    assert caught.value.hint == HINT
