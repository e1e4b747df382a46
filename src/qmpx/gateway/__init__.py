"""Many clients, one real monitor: each sees a monitor of its own."""

from typing import TYPE_CHECKING

from qmpx import _lazy

if TYPE_CHECKING:
    from qmpx.gateway.access import Access
    from qmpx.gateway.audit import Audit, AuditSettings
    from qmpx.gateway.chain import AuditError, Verifier
    from qmpx.gateway.client import Client
    from qmpx.gateway.configuration import (
        Configuration,
        ConfigurationError,
        parse_configuration,
        read_configuration,
    )
    from qmpx.gateway.equipment import Equipment
    from qmpx.gateway.fairness import FairQueue
    from qmpx.gateway.gateway import Gateway
    from qmpx.gateway.identity import Identity
    from qmpx.gateway.journal import Journal, JournalSettings
    from qmpx.gateway.journal_file import JournalError, JournalReader
    from qmpx.gateway.lease import Leases, LeaseSettings
    from qmpx.gateway.limits import Limits, LimitsSettings
    from qmpx.gateway.observing import Answers, Gate, Observer, Subscription
    from qmpx.gateway.policy import Decision, Role, Rule
    from qmpx.gateway.role_settings import RoleSettings, build_role
    from qmpx.gateway.service import Service
    from qmpx.gateway.sharing import SharedMonitor
    from qmpx.gateway.subscribing import Subscriptions
    from qmpx.gateway.upstream import Upstream

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
        "Access": "access",
        "Answers": "observing",
        "Audit": "audit",
        "AuditError": "chain",
        "AuditSettings": "audit",
        "Client": "client",
        "Configuration": "configuration",
        "ConfigurationError": "configuration",
        "Decision": "policy",
        "Equipment": "equipment",
        "FairQueue": "fairness",
        "Gate": "observing",
        "Gateway": "gateway",
        "Identity": "identity",
        "Journal": "journal",
        "JournalError": "journal_file",
        "JournalReader": "journal_file",
        "JournalSettings": "journal",
        "LeaseSettings": "lease",
        "Leases": "lease",
        "Limits": "limits",
        "LimitsSettings": "limits",
        "Observer": "observing",
        "Role": "policy",
        "RoleSettings": "role_settings",
        "Rule": "policy",
        "Service": "service",
        "SharedMonitor": "sharing",
        "Subscription": "observing",
        "Subscriptions": "subscribing",
        "Upstream": "upstream",
        "Verifier": "chain",
        "build_role": "role_settings",
        "parse_configuration": "configuration",
        "read_configuration": "configuration",
    },
)
