"""What settings ask for beside policy: opened once, and put beside each monitor.

The order matters. The audit is asked first, so that what it refuses nobody has counted;
the limits come before the lease, so that what waits for the lease is within them.
"""

import asyncio
from typing import TYPE_CHECKING, Self

from qmpx.gateway.audit import Audit, AuditSettings
from qmpx.gateway.journal import Journal, JournalSettings, MonitorJournal
from qmpx.gateway.lease import Leases, LeaseSettings
from qmpx.gateway.limits import Limits, LimitsSettings
from qmpx.gateway.subscribing import Subscriptions

if TYPE_CHECKING:
    from qmpx.gateway.sharing import SharedMonitor


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
        self._lease_settings = lease

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
        kept: MonitorJournal | None = None
        if self.audit is not None:
            monitor.observers.append(self.audit.at(name))
        if self.journal is not None:
            kept = self.journal.at(monitor, name)
            monitor.observers.append(kept)
        if self.limits is not None:
            self.limits.attach(monitor)
        if self._lease_settings is not None:
            Leases(monitor, self._lease_settings)
        Subscriptions(monitor, kept)
        return Attachment(self, monitor)

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
    """

    def __init__(self, equipment: Equipment, monitor: "SharedMonitor") -> None:
        self._equipment = equipment
        self._monitor = monitor

    async def close(self) -> None:
        """Let go of the monitor, which has no more clients or events."""
        if self._equipment.journal is not None:
            self._equipment.journal.forget(self._monitor)
