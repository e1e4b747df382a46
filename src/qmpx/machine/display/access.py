"""Access control lists: who may come in, by name, first match wins.

Source: QEMU 0.13's lists of VNC users and certificates.
"""

from fnmatch import fnmatchcase
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.values import Value

MAX_RULES: Final = 4096
"""Rules of a list: each login looks through all of them. Further ones are refused."""


class Rule(Value, frozen=True):
    """One rule of a list.

    Attributes:
        match: A name, in which ``*``, ``?`` and ``[...]`` stand for others.
        is_allowed: What becomes of a name that matches.
    """

    match: str
    is_allowed: bool


class AccessList:
    """Who may come in.

    Attributes:
        rules: In the order in which they are tried.
        is_allowed: What becomes of a name that no rule matches.
    """

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.is_allowed = False

    def allows(self, name: str) -> bool:
        """Return whether *name* may come in."""
        for rule in self.rules:
            if fnmatchcase(name, rule.match):
                return rule.is_allowed
        return self.is_allowed

    def add(self, match: str, *, is_allowed: bool, index: int | None = None) -> int:
        """Add a rule, and return its place, counted from 1.

        Args:
            match: What the rule is for; see `Rule`.
            is_allowed: What becomes of a name that matches.
            index: Before which rule; at the end unless told, or if there are no more
                rules than that.

        Raises:
            GenericError: The index is no place, or the list is full.
        """
        if len(self.rules) == MAX_RULES or (index is not None and index <= 0):
            message = "acl: unable to add acl entry"
            raise GenericError(message)
        rule = Rule(match, is_allowed)
        if index is None or index >= len(self.rules):
            self.rules.append(rule)
            return len(self.rules)
        self.rules.insert(index - 1, rule)
        return index

    def remove(self, match: str) -> int:
        """Remove the first rule that is written so, and return the place it had.

        Raises:
            GenericError: There is none.
        """
        for n, rule in enumerate(self.rules):
            if rule.match == match:
                del self.rules[n]
                return n + 1
        message = "acl: no matching acl entry"
        raise GenericError(message)

    def reset(self) -> None:
        """Remove all rules, and let nobody in."""
        self.rules.clear()
        self.is_allowed = False

    def state(self) -> dict[str, Any]:
        """Return the list as plain values."""
        return {
            "is_allowed": self.is_allowed,
            "rules": [[rule.match, rule.is_allowed] for rule in self.rules],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        self.is_allowed = state["is_allowed"]
        self.rules = [Rule(*rule) for rule in state["rules"][:MAX_RULES]]


class AccessLists(dict[str, AccessList]):
    """The lists that there are, by name."""

    def find(self, name: str) -> AccessList:
        """Return a list.

        Raises:
            GenericError: There is none of that name.
        """
        if name not in self:
            message = f"acl: unknown list '{name}'"
            raise GenericError(message)
        return self[name]
