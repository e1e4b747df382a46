"""Write the bindings that qmpx ships: ``src/qmpx/qapi/bindings``.

They are made from QEMU's schema files, which are not part of qmpx. Say where they are,
as unpacked from QEMU's own source (the folder that holds ``qapi-schema.json``)::

    python tools/generate_bindings.py [--check] FOLDER

With ``--check`` nothing is written; the status is 1 if the bindings are not fresh.
"""

import argparse
import sys
from pathlib import Path

from qmpx.qapi.generation import generate_python
from qmpx.qapi.language import load_schema

ROOT = Path(__file__).parents[1]
BINDINGS = ROOT / "src" / "qmpx" / "qapi" / "bindings" / "qemu_9_2.py"
SOURCE = ROOT.parent / "shared" / "qapi" / "9.2.0-rc2" / "qapi"
TITLE = "QEMU 9.2.0-rc2"


def bindings(folder: Path) -> str:
    """Return the bindings for the schema files in a folder."""
    return generate_python(load_schema(folder / "qapi-schema.json"), TITLE)


def main() -> int:
    """Write the bindings, or see whether they are fresh."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SOURCE)
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    text = bindings(arguments.folder)
    if not arguments.check:
        BINDINGS.write_text(text, encoding="utf-8")
        return 0
    if BINDINGS.read_text(encoding="utf-8") == text:
        return 0
    sys.exit(f"{BINDINGS.relative_to(ROOT)} is not fresh: make generate")


if __name__ == "__main__":
    sys.exit(main())
