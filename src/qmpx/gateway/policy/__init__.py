"""Who may run what: roles, their rules, and what looks into arguments. Pure."""

from qmpx.gateway.policy.conditions import Condition
from qmpx.gateway.policy.decision import UNRESTRICTED, Decision
from qmpx.gateway.policy.named import Named
from qmpx.gateway.policy.profiles import AUTHENTICATE, PROFILES, Profile
from qmpx.gateway.policy.reach import Reach
from qmpx.gateway.policy.role import EVERYTHING, NOBODY, SHOWN, Role
from qmpx.gateway.policy.rules import Rule

__all__ = [
    "AUTHENTICATE",
    "EVERYTHING",
    "NOBODY",
    "PROFILES",
    "SHOWN",
    "UNRESTRICTED",
    "Condition",
    "Decision",
    "Named",
    "Profile",
    "Reach",
    "Role",
    "Rule",
]
