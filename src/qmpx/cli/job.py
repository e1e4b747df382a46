"""``qmpx job``: background jobs: list, start, watch, end them."""

import argparse
import sys
from typing import Any

from msgspec import to_builtins

from qmpx.cli.arguments import how_to_type, read_arguments
from qmpx.cli.output import print_json
from qmpx.cli.progress import progress
from qmpx.cli.tables import plain, table_of
from qmpx.client import Client, connect
from qmpx.client.job_state import JobProgress
from qmpx.errors import CommandError, LocalProtocolError


def run(arguments: argparse.Namespace) -> None:
    """Do what is asked for.

    Raises:
        QmpxError: There is no such job, or it failed; `main` tells.
    """
    with connect(
        arguments.address,
        connect_timeout=arguments.connect_timeout,
        capabilities=(),
    ) as client:
        match arguments.action:
            case "list":
                _list(client, arguments)
            case "run":
                _run(client, arguments)
            case "wait":
                _watch(client, arguments, None, None, _only(arguments))
            case action:
                client.execute(f"job-{action}", id=_only(arguments))


def _only(arguments: argparse.Namespace) -> str:
    if len(arguments.words) != 1:
        message = f"give the job: qmpx job ADDRESS {arguments.action} ID"
        raise LocalProtocolError(message)
    return str(arguments.words[0])


def _list(client: Client, arguments: argparse.Namespace) -> None:
    jobs = client.execute("query-jobs")
    if arguments.json:
        print_json(jobs)
        return
    table = table_of(jobs, "query-jobs")
    if table is None:
        print("no jobs", file=sys.stderr)
    else:
        print("\n".join(plain(table)))


def _run(client: Client, arguments: argparse.Namespace) -> None:
    if not arguments.words:
        message = "give the command: qmpx job ADDRESS run COMMAND [ARGUMENT ...]"
        raise LocalProtocolError(message)
    command, *words = arguments.words
    try:
        _watch(client, arguments, command, read_arguments(words), None)
    except CommandError as error:
        if error.desc == "Parameter 'job-id' is unexpected":
            error.add_note(f"{command!r} starts no job: see 'qmpx run'")
        elif hint := how_to_type(error.desc, words):
            error.add_note(hint)
        raise


def _watch(
    client: Client,
    arguments: argparse.Namespace,
    command: str | None,
    given: dict[str, Any] | None,
    id_: str | None,
) -> None:
    title = command or str(id_)
    with progress(title, quiet=arguments.quiet) as advance:

        def show(now: JobProgress) -> None:
            advance(now.status, now.current, now.total)

        with client.job(command, given, id=id_) as job:
            ended = job.wait(arguments.timeout, on_progress=show)
    if arguments.json:
        print_json(to_builtins(ended))
