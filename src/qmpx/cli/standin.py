"""``qmpx standin``: what ``qmpx-system-x86_64`` does; and many machines at once."""

import argparse

from qmpx.errors import AddressError

PROGRAM = "qmpx-system-x86_64"


def run(arguments: argparse.Namespace) -> int:
    """Stand in for QEMU, until the machine ends.

    Raises:
        QmpxError: The profile cannot be read; a fleet lacks a directory.
    """
    words = list(arguments.options)
    if arguments.profile is not None:
        words = ["--profile", arguments.profile, *words]
    for name in ("scenario", "clock"):
        if (value := getattr(arguments, name)) is not None:
            words = [f"--{name}", value, *words]
    for address in arguments.control:
        words = ["--control", address, *words]
    if arguments.fleet is None:
        if arguments.dir is not None:
            message = "--dir says where a fleet's sockets are: give --fleet N, too"
            raise AddressError(message)
        from qmpx.standin.program import main

        return main([PROGRAM, *words])
    if arguments.dir is None:
        message = "give --dir D: where the sockets of the fleet are to be made"
        raise AddressError(message)
    from qmpx.standin.fleet import run_fleet

    return run_fleet(words, arguments.fleet, arguments.dir, PROGRAM)
