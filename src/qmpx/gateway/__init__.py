"""Many clients, one real monitor: each sees a monitor of its own."""

from typing import TYPE_CHECKING

from qmpx import _lazy

if TYPE_CHECKING:
    from qmpx.gateway.access.access import Access
    from qmpx.gateway.access.identity import Identity
    from qmpx.gateway.audit.audit import Audit
    from qmpx.gateway.audit.chain import AuditError
    from qmpx.gateway.audit.verifying import Verifier
    from qmpx.gateway.daemon.gateway import Gateway
    from qmpx.gateway.daemon.service import Service
    from qmpx.gateway.equipment import Equipment
    from qmpx.gateway.gates.leases import Leases
    from qmpx.gateway.gates.limits import Limits
    from qmpx.gateway.journal.file import JournalError, JournalReader
    from qmpx.gateway.journal.journal import Journal
    from qmpx.gateway.journal.subscriptions import Subscriptions
    from qmpx.gateway.policy import Decision, Role, Rule
    from qmpx.gateway.settings.bounds import LeaseSettings, LimitsSettings
    from qmpx.gateway.settings.configuration import (
        Configuration,
        ConfigurationError,
        parse_configuration,
        read_configuration,
    )
    from qmpx.gateway.settings.records import AuditSettings, JournalSettings
    from qmpx.gateway.settings.roles import RoleSettings, build_role
    from qmpx.gateway.sharing.client import Client, Subscription
    from qmpx.gateway.sharing.monitor import SharedMonitor
    from qmpx.gateway.sharing.observing import Answers, Gate, Observer
    from qmpx.gateway.upstreams.fairness import FairQueue
    from qmpx.gateway.upstreams.upstream import Upstream

__all__ = [
    "Access",
    "Answers",
    "Audit",
    "AuditError",
    "AuditSettings",
    "Client",
    "Configuration",
    "ConfigurationError",
    "Decision",
    "Equipment",
    "FairQueue",
    "Gate",
    "Gateway",
    "Identity",
    "Journal",
    "JournalError",
    "JournalReader",
    "JournalSettings",
    "LeaseSettings",
    "Leases",
    "Limits",
    "LimitsSettings",
    "Observer",
    "Role",
    "RoleSettings",
    "Rule",
    "Service",
    "SharedMonitor",
    "Subscription",
    "Subscriptions",
    "Upstream",
    "Verifier",
    "build_role",
    "parse_configuration",
    "read_configuration",
]

__getattr__, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "Access": "access.access",
        "Answers": "sharing.observing",
        "Audit": "audit.audit",
        "AuditError": "audit.chain",
        "AuditSettings": "settings.records",
        "Client": "sharing.client",
        "Configuration": "settings.configuration",
        "ConfigurationError": "settings.configuration",
        "Decision": "policy",
        "Equipment": "equipment",
        "FairQueue": "upstreams.fairness",
        "Gate": "sharing.observing",
        "Gateway": "daemon.gateway",
        "Identity": "access.identity",
        "Journal": "journal.journal",
        "JournalError": "journal.file",
        "JournalReader": "journal.file",
        "JournalSettings": "settings.records",
        "LeaseSettings": "settings.bounds",
        "Leases": "gates.leases",
        "Limits": "gates.limits",
        "LimitsSettings": "settings.bounds",
        "Observer": "sharing.observing",
        "Role": "policy",
        "RoleSettings": "settings.roles",
        "Rule": "policy",
        "Service": "daemon.service",
        "SharedMonitor": "sharing.monitor",
        "Subscription": "sharing.client",
        "Subscriptions": "journal.subscriptions",
        "Upstream": "upstreams.upstream",
        "Verifier": "audit.verifying",
        "build_role": "settings.roles",
        "parse_configuration": "settings.configuration",
        "read_configuration": "settings.configuration",
    },
)
