"""``qmpx shell``: finds the monitor, connects, and lets a person talk with it."""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from qmpx.cli.discovery import Found, discover
from qmpx.cli.output import printable
from qmpx.cli.shell.display import Output
from qmpx.cli.shell.prose import first_file
from qmpx.cli.shell.session import Session
from qmpx.errors import AddressError, LocalProtocolError
from qmpx.transport.address import Address, default_address, parse_address
from qmpx.transport.bearer import token_of

EMBEDDED: Final = "0"
"""What a person answers to get a machine that is embedded in the shell."""

MAX_SHOWN: Final = 4096
"""Bytes of a message that ``--verbose`` shows: the schema alone has 160,000."""


def run(arguments: argparse.Namespace) -> int:
    """Talk with a monitor.

    Raises:
        QmpxError: There is no conversation; `main` tells.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if is_terminal:
        require_packages("prompt_toolkit", "rich")
    with contextlib.ExitStack() as stack:
        if arguments.demo:
            address = stack.enter_context(_embedded())
        else:
            chosen = _address(arguments, may_choose=is_terminal)
            address = chosen or stack.enter_context(_embedded())
        try:
            return asyncio.run(_converse(arguments, address, is_terminal=is_terminal))
        except KeyboardInterrupt:
            return 130


def require_packages(*names: str) -> None:
    """See that packages are installed that only some need.

    Args:
        names: The packages, which are called as their modules are.

    Raises:
        LocalProtocolError: It is not; the message says how to install it.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        message = (
            f"this needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: "
            f"pip install {' '.join(missing)}"
        )
        raise LocalProtocolError(message)


def _address(arguments: argparse.Namespace, *, may_choose: bool) -> Address | None:
    """Return where the monitor is; ``None`` if the embedded machine is wanted."""
    if arguments.address is not None:
        return parse_address(arguments.address)
    if os.environ.get("QMP_SOCKET"):
        return default_address()
    if not may_choose:
        return default_address()  # which says what is missing
    return _choose(discover())


def _choose(found: list[Found]) -> Address | None:
    found = [each for each in found if not each.is_human]
    if not found:
        print("No monitor was found on this host: here is an embedded machine.")
        return None
    print("Monitors on this host:\n")
    for number, each in enumerate(found, 1):
        line = f"  {number:>3}  {each.machine:20} {each.address}  ({each.source})"
        print(printable(line))
    print(f"  {EMBEDDED:>3}  a machine embedded in this shell\n")
    while True:
        answer = input("Which one? ").strip()
        if answer == EMBEDDED:
            return None
        if answer.isdigit() and 0 < int(answer) <= len(found):
            return parse_address(found[int(answer) - 1].address)
        if not answer:
            message = "no monitor was chosen"
            raise AddressError(message)
        print(f"Answer with a number from 0 to {len(found)}.")


@contextlib.contextmanager
def _embedded() -> Iterator[Address]:
    """Serve a machine of the shell's own from a thread."""
    from qmpx.cli.serve import demo_machine, make_monitor
    from qmpx.dialects.modern.human import table_for_people

    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder:
        path = str(Path(folder, "qmp.sock"))
        machine = demo_machine("demo")
        machine.cont()
        monitor = make_monitor(machine, "modern")
        monitor.human = table_for_people()
        with monitor.serve_in_thread(path):
            yield parse_address(path)


async def _converse(
    arguments: argparse.Namespace, address: Address, *, is_terminal: bool
) -> int:
    # Imported when it is known where the monitor is.
    from qmpx.cli.shell.observed import ObservedClient

    documentation = ""
    if arguments.schema is not None:
        documentation = first_file(arguments.schema)
    output: Any
    if is_terminal:
        from qmpx.cli.shell.prompt import Terminal, TerminalOutput

        output = TerminalOutput()
    else:
        from qmpx.cli.shell.piped import PipedOutput, run_lines

        output = PipedOutput()
    session = Session(
        output,
        is_human=arguments.hmp,
        asks=is_terminal and not arguments.yes,
        shows=_shows(arguments),
    )
    with _watch(arguments, output) as watch:
        if arguments.skip_negotiation:
            from qmpx.cli.shell.agent_talk import AgentTalk

            client: Any = AgentTalk(
                address,
                watch,
                connect_timeout=arguments.connect_timeout,
                wait=arguments.wait,
            )
            greeting = printable(f"A guest agent at {address}, as far as is known.")
        else:
            client = ObservedClient(
                address,
                watch,
                session.lost,
                timeout=None,
                connect_timeout=arguments.connect_timeout,
                wait=arguments.wait,
                token=token_of(None),
            )
            greeting = ""
        await client.open()
        try:
            session.attach(client, documentation)
            if is_terminal:
                print(greeting or _banner(client, address))
                await Terminal(session, output, str(address)).run(client)
                return 0
            await run_lines(session)
            return 1 if session.failures else 0
        finally:
            await session.close()
            await client.close()


def _shows(arguments: argparse.Namespace) -> str:
    if arguments.pretty:
        return "pretty"
    return "json" if arguments.json else "auto"


def _banner(client: Any, address: Address) -> str:
    version = client.greeting.version
    told = version.get("qemu") if isinstance(version, dict) else None
    number = "?"
    if isinstance(told, dict):
        number = ".".join(
            str(told.get(part, "?")) for part in ("major", "minor", "micro")
        )
    return printable(f"Connected to QEMU {number} at {address}.")


@contextlib.contextmanager
def _watch(arguments: argparse.Namespace, output: Output) -> Iterator[Any]:
    """Give what is called with each message: it writes it down, and shows it."""
    if arguments.record is None:
        yield _shower(output) if arguments.verbose else (lambda *_: None)
        return
    from qmpx.transcript.entry import entry_for, write_entry
    from qmpx.transcript.redaction import redactor

    redact = redactor()
    show = _shower(output) if arguments.verbose else None
    try:
        # Nobody else has to read what was said.
        descriptor = os.open(
            arguments.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
    except OSError as error:
        message = f"cannot write {arguments.record}: {error.strerror}"
        raise LocalProtocolError(message) from None
    with open(descriptor, "wb", buffering=0) as file:

        def watch(direction: str, message: bytes) -> None:
            file.write(
                write_entry(redact(entry_for(time.time(), direction, 1, message)))
            )
            if show is not None:
                show(direction, message)

        yield watch


def _shower(output: Output) -> Any:
    from qmpx.cli.coloured import highlighted, painted

    def show(direction: str, message: bytes) -> None:
        text = printable(message[:MAX_SHOWN].decode("utf-8", "replace").strip())
        if output.has_colour:
            text = highlighted(text)
        if len(message) > MAX_SHOWN:
            text += f"... ({len(message)} bytes)"
        output.tell(f"{painted(direction, '2', colour=output.has_colour)} {text}")

    return show
