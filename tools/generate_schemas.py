"""Write the schemas that qmpx ships: ``src/qmpx/qapi/shipped``.

They are made from QEMU's schema files, which are not part of qmpx. Say where they are:
a folder with one for each release, such as ``7.2.0/qapi/qapi-schema.json``::

    python tools/generate_schemas.py [--check] FOLDER

With ``--check`` nothing is written; the status is 1 if something is not fresh.
"""

import argparse
import gzip
import sys
from pathlib import Path

import msgspec

from qmpx.qapi.introspection import SchemaInfo
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.language import load_schema
from qmpx.qapi.shipped import RELEASES, file_name, shipped_introspection

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "src" / "qmpx" / "qapi" / "shipped"
SOURCE = ROOT.parent / "shared" / "qapi"


def schema_of(release: str, folder: Path) -> list[SchemaInfo]:
    """Return what is to be shipped for a release; there is one version of it."""
    (file,) = folder.glob(f"{release}.*/qapi/qapi-schema.json")
    return to_introspection(load_schema(file), masked=False, keep_sizes=True)


def main() -> int:
    """Write the schemas, or see whether they are fresh."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SOURCE)
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    for release in RELEASES:
        told = schema_of(release, arguments.folder)
        file = SHIPPED / file_name(release)
        if not arguments.check:
            file.write_bytes(gzip.compress(msgspec.json.encode(told), mtime=0))
        elif shipped_introspection(release) != told:
            sys.exit(f"{file.relative_to(ROOT)} is not fresh: make generate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
