"""The schemas of some releases of QEMU, as names and types: what comparisons need.

They are what ``query-qmp-schema`` would return if every condition were met, with the
types' own names; made by ``tools/generate_schemas.py`` from QEMU's schema files.
"""

import gzip
from importlib.resources import files
from typing import Final

import msgspec

from qmpx.qapi.introspection import SchemaInfo, from_introspection
from qmpx.qapi.model import Schema

RELEASES: Final = ("6.2", "7.2", "8.2", "9.1", "9.2")
"""The releases of QEMU whose schemas are here; 9.2 is the second candidate for it."""


def shipped_introspection(release: str) -> list[SchemaInfo]:
    """Return what the QEMU of a release has.

    Args:
        release: One of `RELEASES`.

    Raises:
        KeyError: It is not here.
    """
    if release not in RELEASES:
        raise KeyError(release)
    packed = (files(__name__) / file_name(release)).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=list[SchemaInfo])


def shipped_schema(release: str) -> Schema:
    """Return the schema of a release.

    Raises:
        KeyError: It is not here.
    """
    return from_introspection(shipped_introspection(release))


def file_name(release: str) -> str:
    """Return what the file of a release is called."""
    return f"qemu_{release.replace('.', '_')}.json.gz"
