"""The options of the commands that serve: a machine, a stand-in, many of them."""

import argparse
from typing import Any, Final

from qmpx.cli.options import command, positive


def _add_serve(add: Any) -> None:
    parser = command(
        add,
        "serve",
        "serve a monitor for an embedded machine",
        "Serve a monitor for an embedded machine, until interrupted or told "
        "to quit.\n\n"
        "  qmpx serve --qmp unix:/tmp/qmp.sock\n"
        "  qmpx serve --dialect 2010 --hmp stdio -- -m 64 -cdrom install.iso\n",
        more="options",
    )
    parser.add_argument(
        "options",
        metavar="-- OPTION",
        nargs="*",
        default=[],
        help="with --dialect 2010: the machine, in the options of QEMU 0.13",
    )
    parser.add_argument(
        "--qmp",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="serve QMP here; may be given several times",
    )
    parser.add_argument(
        "--hmp",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="serve the human monitor here; may be given several times",
    )
    parser.add_argument(
        "--async",
        dest="offers_async",
        action=argparse.BooleanOptionalAction,
        help="offer the capability 'async', for execute_async (default: with modern)",
    )
    parser.add_argument(
        "--dialect",
        choices=["modern", "2010"],
        default="modern",
        help="the monitor of QEMU 7.2, or that of 0.13 (default: %(default)s)",
    )
    parser.add_argument(
        "--pretty", action="store_true", help="spread messages over lines, for people"
    )
    parser.add_argument("--name", metavar="N", help="the machine's name")
    parser.add_argument("--uuid", metavar="UUID", help="the machine's UUID")
    parser.add_argument(
        "-S", "--paused", action="store_true", help="start paused, as QEMU's -S"
    )
    parser.add_argument(
        "--clients",
        type=positive,
        metavar="N",
        help="clients that each address serves at once; others wait unseen. "
        "QEMU has 1 (default: as many as come, up to 16384)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen on TCP addresses that others can reach",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="hold replies and events against the schema; one that does not fit is "
        "logged, and its command fails (to test qmpx itself)",
    )
    _add_stage(parser)
    _add_record_option(parser)


def _add_standin(add: Any) -> None:
    parser = command(
        add,
        "standin",
        "stand in for qemu-system-x86_64",
        "Take QEMU's command line, and behave like it: what qmpx-system-x86_64 does.\n"
        "With --fleet, many machines in one process, with a QMP socket each.\n\n"
        "  qmpx standin -- -machine pc -qmp unix:qmp.sock,server=on,wait=off\n"
        "  qmpx standin --fleet 100 --dir /tmp/fleet -- -machine pc -m 64\n",
        more="options",
    )
    parser.add_argument(
        "options",
        metavar="-- OPTION",
        nargs="*",
        default=[],
        help="the machine, and its monitors, in QEMU's options",
    )
    parser.add_argument(
        "--profile",
        metavar="FILE",
        help="answer as this binary does: see 'qmpx profile capture'; a .replies file "
        "of libvirt's will do, too (default: a QEMU 7.2)",
    )
    parser.add_argument(
        "--fleet",
        type=positive,
        metavar="N",
        help="so many machines, on the sockets 0.sock, 1.sock, ...",
    )
    parser.add_argument(
        "--dir", metavar="D", help="where the sockets of a fleet are made"
    )
    _add_stage(parser)


def _add_profile(add: Any) -> None:
    profile = add.add_parser(
        "profile",
        help="ask a QEMU binary what a stand-in needs to know",
        description="Work with profiles: what a QEMU binary says of itself.",
    )
    add = profile.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = command(
        add,
        "profile",
        "ask a binary all that is always the same, and write it to a file",
        "Ask a QEMU binary all that is always the same: its schema, its machines, its\n"
        "processors, its devices and their properties, its options.\n\n"
        "  qmpx profile capture /usr/bin/qemu-system-x86_64 -o qemu.profile\n",
        shown="capture",
    )
    parser.set_defaults(action="capture")
    parser.add_argument("binary", metavar="PROGRAM", help="a qemu-system-*")
    parser.add_argument(
        "-o", "--output", metavar="PATH", required=True, help="where to"
    )
    parser = command(
        add,
        "profile",
        "tell what a profile, or a .replies file of libvirt's, holds",
        "Tell which binary a profile is of, and how much it holds.",
        shown="show",
    )
    parser.set_defaults(action="show")
    parser.add_argument("file", metavar="FILE", help="a profile")


def _add_stage(parser: Any) -> None:
    parser.add_argument(
        "--clock",
        choices=["real", "virtual"],
        help="the machine's time: the host's, or one that only --control moves",
    )
    parser.add_argument(
        "--scenario", metavar="FILE", help="what goes wrong, and when: a TOML file"
    )
    parser.add_argument(
        "--control",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="serve here the QMP commands that move the clock, add faults and play "
        "the guest; may be given several times",
    )


def _add_record_option(parser: Any) -> None:
    parser.add_argument(
        "--record", metavar="FILE", help="write down what crosses the wire"
    )


COMMANDS: Final = {
    "serve": _add_serve,
    "standin": _add_standin,
    "profile": _add_profile,
}
"""What adds each command to the subcommands of ``qmpx``."""
