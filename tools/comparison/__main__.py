"""Compare the stand-in with a real QEMU: ``python -m tools.comparison``."""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from tools.comparison.rounds import Differences, compare_rounds
from tools.comparison.set_ups import SET_UPS
from tools.comparison.shrinking import shrink
from tools.comparison.table import write_table


def main() -> int:
    """Compare, tell what differs, and write the table if that is asked for."""
    parser = argparse.ArgumentParser(prog="make compare", description=__doc__)
    add = parser.add_argument
    add("--command", action="append", default=[], help="mostly this command")
    add("--seed", type=int, default=1, help="another seed makes other requests")
    add("--rounds", type=int, default=8000, help="how many requests")
    add("--set-up", choices=SET_UPS, help="only this machine")
    add("--show", type=int, default=10, help="how many differences to show, shrunk")
    add("--log", type=Path, help="write each difference here, as it is found")
    add("--no-table", action="store_true", help="do not write the table")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="qmpx-"))
        log = None
        if arguments.log is not None:
            log = stack.enter_context(arguments.log.open("w", encoding="utf-8"))
        found = compare_rounds(
            seed=arguments.seed,
            rounds=arguments.rounds,
            template=Path(folder),
            wanted=arguments.command,
            set_up=arguments.set_up,
            tell=lambda line: say(line, sys.stderr),
            log=log,
        )
        show(found, arguments.show)
    if not (arguments.no_table or arguments.command or arguments.set_up):
        write_table(found, arguments.seed)
    return 0


def say(line: str, where: TextIO = sys.stdout) -> None:
    """Write a line at once."""
    where.write(f"{line}\n")
    where.flush()


def show(found: Differences, most: int) -> None:
    """Print the totals, and the most frequent differences, each made short."""
    say(found.totals())
    for count, difference in found.frequent()[:most]:
        say(f"\n{count} times: {shrink(difference, found.template)}")


if __name__ == "__main__":
    sys.exit(main())
