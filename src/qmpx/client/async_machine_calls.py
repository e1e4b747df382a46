"""What takes more than one command, for the asyncio client; the work is elsewhere.

See `qmpx.client.operations`, `job_work`, `screen` and `snapshot_work`: they are
imported when needed, for most programs only run commands.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qmpx.client.arguments import Arguments, merge
from qmpx.client.async_steps import AsyncDrives, carry_out_async
from qmpx.client.deadlines import (
    DEFAULT,
    KEY_TIME,
    SHUTDOWN_TIMEOUT,
    UNPLUG_TIMEOUT,
    Timeout,
)
from qmpx.client.machine_calls import command_of

if TYPE_CHECKING:
    from qmpx.client.async_job import AsyncJob
    from qmpx.client.events import Event
    from qmpx.client.job_work import OnProgress
    from qmpx.client.operations import Matching, MigrationProgress, OnMigration
    from qmpx.qapi.call import Call as TypedCall


class AsyncMachineCalls(AsyncDrives):
    """Calls that subscribe, send, wait and look, as one safe step each."""

    async def wait_for(
        self,
        event: str | Sequence[str],
        matching: "Matching" = None,
        *,
        after: "str | tuple[str, Arguments] | TypedCall[Any] | None" = None,
        timeout: float | None = None,
    ) -> "Event":
        """Wait for an event; with *after*, for one that a command causes.

        The subscription is made before the command is sent, and older events do not
        count, so none is missed and none is mistaken.

        Args:
            event: Its name, or several, any of which will do; ``*`` and ``?`` are
                wildcards.
            matching: What its data have to be: members and their values, ``a.b`` being
                a member within another; or a function that takes the event.
            after: The command: its name, with its arguments if it has any, or a typed
                call.
            timeout: Seconds, for the command's reply and for the event; ``None`` for
                ever.

        Raises:
            DeadlineExceeded: It did not come in time.
            CommandError: The peer said no to the command.
            ConnectionLost: The connection broke off.
        """
        from qmpx.client.operations import wait_for

        names = (event,) if isinstance(event, str) else tuple(event)
        return await carry_out_async(
            self, wait_for(names, matching, command_of(after), timeout)
        )

    def job(
        self,
        command: "str | TypedCall[Any] | None" = None,
        arguments: Arguments = None,
        /,
        *,
        id: str | None = None,  # noqa: A002 - as QEMU calls it
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> "AsyncJob":
        """Return a background job; it starts when its ``async with`` block does.

        A job of its own that dismisses itself is told to stay until it was looked at,
        so that its outcome cannot be missed.

        Args:
            command: What starts it, such as ``blockdev-backup``, or a typed call; none
                for a job that runs already, started by whomever.
            arguments: Its arguments, with their names on the wire. Without a
                ``job-id`` one is made up.
            id: The job, if it runs already; else what it is to be called.
            timeout: Seconds for the reply to the command.
            more: Further arguments, for names that Python can spell.

        Raises:
            LocalProtocolError: There is neither a command nor an id.
        """
        from qmpx.client.async_job import AsyncJob
        from qmpx.client.job_work import JobWork

        name, own = command_of(command) or (None, None)
        return AsyncJob(self, JobWork(name, merge(own or arguments, more), id, timeout))

    async def migrate(
        self,
        uri: str,
        *,
        timeout: float | None = None,
        on_progress: "OnMigration | None" = None,
        **options: Any,
    ) -> "MigrationProgress":
        """Migrate the machine and wait until it has moved.

        A migration that is given up, by the deadline or by an exception, is cancelled,
        and the guest stays here.

        Args:
            uri: Where to, such as ``tcp:host:4444`` or ``exec:cat > file``.
            timeout: Seconds for all of it; ``None`` for ever.
            on_progress: Called with each `MigrationProgress`.
            options: Further arguments of ``migrate``.

        Raises:
            CommandError: It cannot begin.
            OperationFailed: It failed, or somebody else cancelled it.
            DeadlineExceeded: It took too long.
        """
        from qmpx.client.operations import migrate

        return await carry_out_async(self, migrate(uri, timeout, on_progress, options))

    async def snapshot(
        self,
        tag: str,
        *,
        nodes: Sequence[str] | None = None,
        vmstate: str | None = None,
        timeout: float | None = None,
        on_progress: "OnProgress | None" = None,
    ) -> None:
        """Save the machine, memory included, in its disk images.

        Args:
            tag: What the snapshot is called.
            nodes: The nodes of the images; by default all that can be written.
            vmstate: The node that has the memory; by default the first.
            timeout: Seconds for all of it; ``None`` for ever.
            on_progress: Called with each `JobProgress`.

        Raises:
            CommandError: It cannot begin.
            OperationFailed: It failed, for example because an image has no snapshots.
            DeadlineExceeded: It took too long, and was cancelled.
            LocalProtocolError: The machine has no disk that could hold it.
        """
        from qmpx.client.snapshot_work import snapshot

        command = "snapshot-save"
        await carry_out_async(
            self, snapshot(command, tag, nodes, vmstate, timeout, on_progress)
        )

    async def restore(
        self,
        tag: str,
        *,
        nodes: Sequence[str] | None = None,
        vmstate: str | None = None,
        timeout: float | None = None,
        on_progress: "OnProgress | None" = None,
    ) -> None:
        """Bring the machine back to a snapshot; arguments and errors as `snapshot`.

        QEMU wants the machine stopped for that: ``vm.execute("stop")`` first, and
        ``cont`` after it.
        """
        from qmpx.client.snapshot_work import snapshot

        command = "snapshot-load"
        await carry_out_async(
            self, snapshot(command, tag, nodes, vmstate, timeout, on_progress)
        )

    async def delete_snapshot(
        self,
        tag: str,
        *,
        nodes: Sequence[str] | None = None,
        timeout: float | None = None,
        on_progress: "OnProgress | None" = None,
    ) -> None:
        """Delete a snapshot; arguments and errors as `snapshot`."""
        from qmpx.client.snapshot_work import snapshot

        command = "snapshot-delete"
        await carry_out_async(
            self, snapshot(command, tag, nodes, None, timeout, on_progress)
        )

    async def unplug(
        self, device: str, *, timeout: float | None = UNPLUG_TIMEOUT
    ) -> None:
        """Unplug a device and wait until it is gone.

        Args:
            device: Its id, or its path in the tree of objects.
            timeout: Seconds for the guest to let it go; ``None`` for ever.

        Raises:
            CommandError: There is no such device, or it cannot be unplugged.
            OperationFailed: The guest refused.
            DeadlineExceeded: The guest did nothing; it may yet.
        """
        from qmpx.client.operations import unplug

        await carry_out_async(self, unplug(device, timeout))

    async def shutdown(
        self, *, timeout: float | None = SHUTDOWN_TIMEOUT, force: bool = False
    ) -> dict[str, Any]:
        """Press the power button, and wait until the guest is off.

        Args:
            timeout: Seconds for the guest; ``None`` for ever.
            force: Whether to end QEMU if the guest is not off by then.

        Returns:
            The data of the event SHUTDOWN: ``guest``, whether it did so itself, and
            ``reason``. Empty if QEMU had gone before that was read.

        Raises:
            DeadlineExceeded: The guest is not off; a stopped one never will be.
        """
        from qmpx.client.operations import shut_down

        return await carry_out_async(self, shut_down(timeout, force=force))

    async def screendump(
        self, device: str | None = None, head: int | None = None
    ) -> bytes:
        """Return what is on the guest's screen, as a PNG.

        On a unix socket the picture comes through a descriptor; else QEMU writes it to
        a file, and has to run on this host and be allowed to.

        Args:
            device: The graphics device; the first, if it is not said.
            head: Which of its outputs, from 0.

        Raises:
            CommandError: There is no such screen, or the file cannot be written.
        """
        from qmpx.client.screen import screendump

        return await carry_out_async(self, screendump(device, head))

    async def type_text(
        self,
        text: str,
        *,
        keys: Mapping[str, Sequence[str]] | None = None,
        pause: float = KEY_TIME,
    ) -> None:
        r"""Type a text on the guest's keyboard.

        Args:
            text: The text; ``\n`` is Enter, ``\t`` Tab, ``\b`` Backspace.
            keys: The keys, by QEMU's names, for characters that are elsewhere on the
                guest's layout than on an American one, or not there.
            pause: Seconds that a key is held, and between two.

        Raises:
            LocalProtocolError: A character has no key; nothing was typed.
        """
        from qmpx.client.operations import type_text

        await carry_out_async(self, type_text(text, keys, pause))

    async def hmp(
        self,
        line: str,
        *,
        cpu_index: int | None = None,
        check: bool = True,
        timeout: Timeout = DEFAULT,
    ) -> str:
        r"""Run a line of the human monitor, and return what it prints.

        Args:
            line: The line, such as ``info registers``.
            cpu_index: The processor that it is about.
            check: Whether a text that says that it failed is an error. QEMU knows no
                other sign of it.
            timeout: Seconds for the reply.

        Returns:
            The text, with ``\n`` at the ends of lines.

        Raises:
            OperationFailed: The text says that it failed.
        """
        from qmpx.client.operations import hmp

        return await carry_out_async(self, hmp(line, timeout, cpu_index, check=check))
