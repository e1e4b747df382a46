"""What settings ask for beside policy: opened once, and put beside each monitor.

The order matters. The audit is asked first, so that what it refuses nobody has counted;
the limits come before the lease, so that what waits for the lease is within them.

**At a reload** nothing is lost. What may fail is tried first; then the rest is told to
each monitor, with its clients, while commands go on. An audit or a journal is not taken
away: somebody may rely on it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Self

from qmpx.gateway.audit.audit import Audit
from qmpx.gateway.audit.chain import AuditError
from qmpx.gateway.gates.leases import Leases
from qmpx.gateway.gates.limits import Limits
from qmpx.gateway.journal.file import JournalError
from qmpx.gateway.journal.journal import Journal
from qmpx.gateway.journal.subscriptions import Subscriptions
from qmpx.gateway.settings.bounds import LeaseSettings, LimitsSettings
from qmpx.gateway.settings.records import AuditSettings, JournalSettings

if TYPE_CHECKING:
    from qmpx.gateway.audit.file import AuditFile
    from qmpx.gateway.audit.observer import AuditObserver
    from qmpx.gateway.sharing.monitor import SharedMonitor


logger = logging.getLogger("qmpx.gateway")


class Equipment:
    """An audit, a journal, limits and leases, for all monitors of one gateway.

    ::

        async with Equipment(audit=AuditSettings("audit.jsonl")) as equipment:
            equipment.attach(monitor, "web1")

    Args:
        audit: The section ``[audit]``, if there is one; and so on.
        journal: The section ``[journal]``.
        limits: The section ``[limits]``.
        lease: The section ``[lease]``.

    Attributes:
        audit: The audit, once it is opened and if there is one; and so on.
        journal: The journal.
        limits: The limits.
        lease: The section ``[lease]``.
    """

    def __init__(
        self,
        *,
        audit: AuditSettings | None = None,
        journal: JournalSettings | None = None,
        limits: LimitsSettings | None = None,
        lease: LeaseSettings | None = None,
    ) -> None:
        self.audit: Audit | None = None
        self.journal: Journal | None = None
        self.limits = None if limits is None else Limits(limits)
        self._audit_settings = audit
        self._journal_settings = journal
        self.lease = lease
        self._attached: list[Attachment] = []

    async def __aenter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def open(self) -> None:
        """Open the files.

        Raises:
            AuditError: The audit's file cannot be written, or is no audit.
            JournalError: The journal's file cannot be used.
        """
        if self._audit_settings is not None:
            self.audit = Audit(self._audit_settings)
        if self._journal_settings is not None:
            self.journal = Journal(self._journal_settings)

    def attach(self, monitor: "SharedMonitor", name: str) -> "Attachment":
        """Put it beside a monitor, before there are clients or events.

        Args:
            monitor: The monitor.
            name: What it is called in the audit and in the journal, also when the
                gateway runs again.

        Returns:
            What is to be closed when the monitor is shared no more, if the gateway goes
            on without it.

        Raises:
            JournalError: The journal cannot be written.
        """
        attachment = Attachment(self, monitor, name)
        self._attached.append(attachment)
        return attachment

    def detached(self, attachment: "Attachment") -> None:
        """Note that a monitor is shared no more."""
        self._attached.remove(attachment)

    @contextlib.asynccontextmanager
    async def adapting(
        self,
        *,
        audit: AuditSettings | None,
        journal: JournalSettings | None,
        limits: LimitsSettings | None,
        lease: LeaseSettings | None,
    ) -> AsyncIterator[None]:
        """Put other sections in force when the block ends, if it ends well.

        ::

            async with equipment.adapting(audit=..., journal=..., ...):
                ...  # whatever else may fail

        Args:
            audit: The section ``[audit]``, if there is one; and so on.
            journal: The section ``[journal]``.
            limits: The section ``[limits]``.
            lease: The section ``[lease]``.

        Raises:
            AuditError: The audit cannot be written, or is to be taken away.
            JournalError: The journal likewise; or it is to have another file.
        """
        other: AuditFile | None = None
        new_audit: Audit | None = None
        new_journal: Journal | None = None
        if audit is None and self.audit is not None:
            message = "an audit is not taken away while the gateway runs: restart it"
            raise AuditError(message)
        if journal is None and self.journal is not None:
            message = "a journal is not taken away while the gateway runs: restart it"
            raise JournalError(message)
        if journal is not None and self.journal is not None:
            self.journal.check(journal)
        try:
            if audit is not None:
                if self.audit is None:
                    new_audit = Audit(audit)
                else:
                    other = self.audit.other_file(audit)
            if journal is not None and self.journal is None:
                new_journal = Journal(journal)
            yield
        except BaseException:
            if other is not None:
                other.close()
            if new_audit is not None:
                await new_audit.close()
            if new_journal is not None:
                await asyncio.to_thread(new_journal.close)
            raise
        self._take_up(new_audit, new_journal)
        self._hold_to(limits, lease)
        if audit is not None and self.audit is not None:
            await self.audit.adapt(audit, other)
            if other is not None:
                for each in self._attached:
                    each.begin_file()
        if journal is not None and self.journal is not None:
            await asyncio.to_thread(self.journal.adapt, journal)

    def _take_up(self, audit: Audit | None, journal: Journal | None) -> None:
        """Put what is new beside monitors that are there already."""
        if audit is not None:
            self.audit = audit
            for each in self._attached:
                each.audit_by(audit)
                each.begin_file()
        if journal is not None:
            self.journal = journal
            for each in self._attached:
                try:
                    each.keep_in(journal)
                except JournalError as error:
                    logger.error("events are not kept: %s", error)  # noqa: TRY400

    def _hold_to(
        self, limits: LimitsSettings | None, lease: LeaseSettings | None
    ) -> None:
        if limits is None and self.limits is not None:
            for each in self._attached:
                self.limits.detach(each.monitor)
            self.limits.close()
            self.limits = None
        elif limits is not None and self.limits is None:
            self.limits = Limits(limits)
            for each in self._attached:
                self.limits.attach(each.monitor)
        elif limits is not None and self.limits is not None:
            self.limits.adapt(limits)
        self.lease = lease
        for each in self._attached:
            each.lease_by(lease)

    async def close(self) -> None:
        """Write what waits, and close the files. May be called again.

        Raises:
            AuditError: The end of the audit cannot be written.
        """
        if self.limits is not None:
            self.limits.close()
        journal, self.journal = self.journal, None
        audit, self.audit = self.audit, None
        try:
            if journal is not None:
                await asyncio.to_thread(journal.close)
        finally:
            if audit is not None:
                await audit.close()


class Attachment:
    """What stands beside one monitor.

    Args:
        equipment: What it is of.
        monitor: The monitor.
        name: What it is called.

    Attributes:
        monitor: The monitor.

    Raises:
        JournalError: The journal cannot be written.
    """

    def __init__(
        self, equipment: Equipment, monitor: "SharedMonitor", name: str
    ) -> None:
        self.monitor = monitor
        self._equipment = equipment
        self._name = name
        self._audit: AuditObserver | None = None
        self._leases: Leases | None = None
        self._subscriptions = Subscriptions(monitor)
        if equipment.audit is not None:
            self.audit_by(equipment.audit)
        if equipment.journal is not None:
            self.keep_in(equipment.journal)
        if equipment.limits is not None:
            equipment.limits.attach(monitor)
        self.lease_by(equipment.lease)

    def audit_by(self, audit: Audit) -> None:
        """Let an audit be told first of all that happens."""
        self._audit = audit.at(self._name)
        self.monitor.observers.insert(0, self._audit)

    def begin_file(self) -> None:
        """Tell the audit who is there: its file is a new one."""
        if self._audit is not None:
            self._audit.begun(self.monitor.clients)

    def keep_in(self, journal: Journal) -> None:
        """Keep events, and let clients resume.

        Raises:
            JournalError: The journal cannot be written.
        """
        kept = journal.at(self.monitor, self._name)
        first = 0 if self._audit is None else 1
        self.monitor.observers.insert(first, kept)
        self._subscriptions.resume_by(kept)

    def lease_by(self, settings: LeaseSettings | None) -> None:
        """Give leases, by these settings from now on; or none any more."""
        if self._leases is not None:
            self._leases.adapt(settings)
        elif settings is not None:
            self._leases = Leases(self.monitor, settings)

    async def close(self) -> None:
        """Let go of the monitor, which has no more clients or events."""
        self._equipment.detached(self)
        if self._equipment.journal is not None:
            self._equipment.journal.forget(self.monitor)
