"""The schemas that qmpx ships."""

from __future__ import annotations

import pytest

from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.shipped import RELEASES, shipped_introspection, shipped_schema
from tools import generate_schemas


@pytest.mark.slow
@pytest.mark.peer("schemas")
@pytest.mark.parametrize("release", RELEASES)
def test_a_shipped_schema_is_fresh(release: str) -> None:
    fresh = generate_schemas.schema_of(release, generate_schemas.SOURCE)
    assert shipped_introspection(release) == fresh, "run make generate"


@pytest.mark.parametrize("release", RELEASES)
def test_a_shipped_schema_is_one(release: str) -> None:
    schema = shipped_schema(release)
    told = to_introspection(schema, masked=False, keep_sizes=True)
    assert told == shipped_introspection(release)
    assert "block_resize" in schema.commands
    assert len(schema.commands) > 200


def test_other_releases_are_not_there() -> None:
    with pytest.raises(KeyError):
        shipped_schema("../7.2")
