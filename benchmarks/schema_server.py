"""A monitor with one command, ``query-qmp-schema``, whose document it keeps encoded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import qmpx
from qmpx.monitor import Encoded


def main(path: str, document: str) -> None:
    """Serve the file *document* at the unix socket *path* until interrupted."""
    monitor = qmpx.Monitor(object())
    schema: Encoded[list[Any]] = Encoded(Path(document).read_bytes())

    @monitor.command("query-qmp-schema")
    def query_qmp_schema(_target: object) -> Encoded[list[Any]]:
        return schema

    monitor.run(f"unix:{path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
