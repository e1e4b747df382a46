"""Moving the machine to elsewhere, and taking one that comes.

The stream is of a form of its own; see ``docs/reference/migration-stream.md``.

Source: QEMU 7.2.22, observed.
"""

import asyncio
from collections.abc import Callable

from qmpx.dialects.modern.migration.states import Status, require_idle
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.happenings import MigrationMoved
from qmpx.machine.migration.addresses import Stop
from qmpx.machine.migration.destinations import await_source, open_destination
from qmpx.machine.migration.links import Link
from qmpx.machine.runstate import RunState
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike

commands = CommandRegistry(reads_late=True)


@commands.command("migrate")
def migrate(
    machine: Machine,
    session: SessionLike,
    *,
    uri: str,
    blk: bool | None = None,
    inc: bool | None = None,
    detach: bool | None = None,  # noqa: ARG001 - it means nothing to programs
    resume: bool | None = None,
) -> None:
    """Begin to move the machine; how it goes on tell events and ``query-migrate``.

    Args:
        machine: The machine.
        session: Who asks; its named descriptors are at hand.
        uri: ``tcp:HOST:PORT``, ``unix:PATH``, ``exec:COMMAND`` or ``fd:NAME``.
        blk: Whether the contents of the disks go, too.
        inc: Whether of those only what is in the images themselves goes.
        detach: Means something to people only.
        resume: Whether to go on with one that was paused; none can be.

    Raises:
        GenericError: It cannot be begun.
    """
    migration = machine.migration
    if resume:
        message = "Cannot resume if there is no paused migration"
        raise GenericError(message)
    require_idle(migration)
    if machine.state is RunState.INMIGRATE:
        message = "Guest is waiting for an incoming migration"
        raise GenericError(message)
    if machine.state is RunState.POSTMIGRATE:
        message = "Can't migrate the vm that was paused due to previous migration"
        raise GenericError(message)
    on = migration.capabilities
    if "background-snapshot" in on:
        message = "Background snapshots are not supported by this machine"
        raise GenericError(message)
    try:
        link = open_destination(uri, session.frontend.named.take)
    except CommandError as error:
        migration.refuse("" if "'uri' expects" in error.desc else error.desc)
        raise
    incremental = bool(inc) or migration.parameters.block_incremental
    block = bool(blk) or bool(inc) or "block" in on
    migration.limits.follow(migration.parameters)
    migration.start_over(
        link, block=block, incremental=block and incremental, is_staged=True
    )


@commands.command("migrate_cancel")
def migrate_cancel(machine: Machine) -> None:
    """Call the migration off; nothing happens if there is none."""
    machine.migration.cancel_soon()


@commands.command("migrate-continue")
def migrate_continue(machine: Machine, *, state: Status) -> None:
    """Go on with a migration that waits before it gives the machine away.

    Raises:
        GenericError: It is not in that state.
    """
    now = machine.migration.status or "none"
    if now != state:
        message = f"Migration not in expected state: {now}"
        raise GenericError(message)
    machine.migration.proceed()


@commands.command("migrate-start-postcopy")
def migrate_start_postcopy(machine: Machine) -> None:
    """Give the machine away now, whatever is left to send.

    Nothing here fetches single pages: the rest goes while the machine stands still.

    Raises:
        GenericError: That was not asked for before, or nothing has been begun.
    """
    if "postcopy-ram" not in machine.migration.capabilities:
        message = (
            "Enable postcopy with migrate_set_capability before the start of migration"
        )
        raise GenericError(message)
    if machine.migration.status is None:
        message = "Postcopy must be started after migration has been started"
        raise GenericError(message)
    machine.migration.start_postcopy()


@commands.command("migrate-recover", allow_oob=True)
def migrate_recover(machine: Machine, *, uri: str) -> None:  # noqa: ARG001
    """Go on with a paused postcopy migration; none can be in that state.

    Raises:
        GenericError: Always.
    """
    message = "Migrate recover can only be run when postcopy is paused."
    raise GenericError(message)


@commands.command("migrate-incoming")
def migrate_incoming(machine: Machine, session: SessionLike, *, uri: str) -> None:
    """Await a machine at *uri*, if this one was started for that.

    Raises:
        GenericError: It was not, or it is awaited already; the address is none.
    """
    migration = machine.migration
    if migration.is_expected or migration.incoming_status is not None:
        message = "The incoming migration has already been started"
        raise GenericError(message)
    if machine.state is not RunState.INMIGRATE:
        message = "'-incoming' was not specified on the command line"
        raise GenericError(message)
    machine.tell(MigrationMoved("setup"))
    take = session.frontend.named.take

    def wait(uri: str, arrive: Callable[[Link], None]) -> tuple[str, Stop]:
        loop = asyncio.get_running_loop()

        def arrive_later(link: Link) -> None:
            loop.call_soon(arrive, link)  # the reply comes first

        return await_source(uri, arrive_later, take)

    migration.expect(uri, may_run=migration.may_run, wait=wait)
