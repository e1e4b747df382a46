"""``qmpx profile``: what a QEMU binary says of itself, in a file."""

import argparse

from qmpx.cli.output import printable


def run(arguments: argparse.Namespace) -> None:
    """Ask a binary, or tell of a profile.

    Raises:
        ProfileError: The binary does not answer; the file cannot be had.
    """
    if arguments.action == "capture":
        from qmpx.standin.profile.capture import capture_to

        size = capture_to(arguments.binary, arguments.output)
        print(f"{arguments.output}: {size} bytes")
        return
    from qmpx.standin.profile.file import read_profile

    profile = read_profile(arguments.file)
    count = sum(1 for _ in profile.keys())  # noqa: SIM118 - it is no mapping
    print(printable(f"{profile.version.decode()}: {count} answers"))
