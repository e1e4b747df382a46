"""The schemas of some releases of QEMU, as names and types: what comparisons need.

They are what ``query-qmp-schema`` would return if every condition were met, with the
types' own names, and integers with their sizes; made by ``tools/generate_schemas.py``
from QEMU's schema files.
"""

import gzip
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec.structs import replace

from qmpx.qapi.introspection import SchemaInfo
from qmpx.qapi.model import EnumType, Schema
from qmpx.qapi.piecemeal import schema_in_pieces

RELEASES: Final = ("6.2", "7.2", "8.2", "9.1", "9.2")
"""The releases of QEMU whose schemas are here; 9.2 is the second candidate for it."""


def shipped_introspection(release: str) -> list[SchemaInfo]:
    """Return what the QEMU of a release has.

    Args:
        release: One of `RELEASES`.

    Raises:
        KeyError: It is not here.
    """
    return msgspec.json.decode(_text(release), type=list[SchemaInfo])


def _text(release: str) -> bytes:
    if release not in RELEASES:
        raise KeyError(release)
    return gzip.decompress((files(__name__) / file_name(release)).read_bytes())


@cache  # one for each release
def shipped_schema(release: str) -> Schema:
    """Return the schema of a release; what of it is asked for is read then.

    Raises:
        KeyError: It is not here.
    """
    return schema_in_pieces(_text(release))


def file_name(release: str) -> str:
    """Return what the file of a release is called."""
    return f"qemu_{release.replace('.', '_')}.json.gz"


def restricted(schema: Schema, name: str, only: Collection[str]) -> Schema:
    """Return a schema in which a union has these branches only.

    Args:
        schema: The schema, as introspection has it: without bases.
        name: The union.
        only: Values of its discriminator.
    """
    union = schema.object_type(name)
    (tag,) = (m.type for m in union.members if m.name == union.discriminator)
    tags = schema.types[tag]
    if not isinstance(tags, EnumType):
        raise KeyError(tag)
    kept = [value for value in tags.values if value.name in only]
    branches = [branch for branch in union.branches if branch.name in only]
    # Others may use the enumeration as it is.
    own_tag = f"{name}Tag"
    members = [
        replace(m, type=own_tag) if m.name == union.discriminator else m
        for m in union.members
    ]
    changed = {
        name: replace(union, members=tuple(members), branches=tuple(branches)),
        own_tag: replace(tags, name=own_tag, values=tuple(kept)),
    }
    others = (item for item in schema.definitions if item.name not in changed)
    return Schema.of([*others, *changed.values()])
