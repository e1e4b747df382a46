"""``qmpx screenshot``: what is on the guest's screen, as a PNG."""

import argparse
import os
import struct
import sys
from pathlib import Path
from typing import Final

from qmpx.cli.output import print_json
from qmpx.client import connect
from qmpx.errors import LocalProtocolError

_HEADER: Final = struct.Struct(">8x8xII")
"""A PNG's signature and the beginning of its first chunk: its width and height."""


def run(arguments: argparse.Namespace) -> None:
    """Write the picture.

    Raises:
        QmpxError: There is none, or it cannot be written; `main` tells.
    """
    if arguments.file == "-" and sys.stdout.isatty():
        message = "a picture is nothing for a terminal: give a file, or a pipe"
        raise LocalProtocolError(message)
    with connect(
        arguments.address,
        timeout=arguments.timeout,
        connect_timeout=arguments.connect_timeout,
        capabilities=(),
    ) as client:
        picture = client.screendump(arguments.device, arguments.head)
    if arguments.file == "-":
        sys.stdout.buffer.write(picture)
        return
    path = Path(arguments.file)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Whoever looks at it meanwhile sees all of it, old or new.
        written.write_bytes(picture)
        written.replace(path)
    except OSError as error:
        written.unlink(missing_ok=True)
        message = f"cannot write {arguments.file}: {error.strerror}"
        raise LocalProtocolError(message) from None
    if arguments.json:
        width, height = _HEADER.unpack_from(picture)
        print_json({"file": arguments.file, "width": width, "height": height})
