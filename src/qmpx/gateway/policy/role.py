"""What a client may do: a role decides by name, and by arguments where it must. Pure.

The order: what the role denies by name; its rules, of which the first that holds
decides; what it allows by name; its profile; and else the answer is no. Whatever allows
a command, its arguments are looked into then, unless that is switched off.

What was looked at is what goes on: arguments that were read are spelled anew. A role
belongs to many clients and remembers what it decided by name.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType, structs

from qmpx.errors import GenericError
from qmpx.gateway.policy.decision import UNRESTRICTED, Decision
from qmpx.gateway.policy.event_views import hide
from qmpx.gateway.policy.inspectors import (
    ACTIONS,
    INSPECTORS,
    NEED_DESCRIPTOR,
    NEED_FILE,
    NEED_NO_LOOK,
)
from qmpx.gateway.policy.named import Named
from qmpx.gateway.policy.profiles import AUTHENTICATE, LOCAL, NOTHING, Profile
from qmpx.gateway.policy.reach import Reach
from qmpx.gateway.policy.rules import Rule
from qmpx.gateway.policy.telling import MALFORMED, Info, tell_commands, tell_schema
from qmpx.qapi.event_secrets import EVENT_SECRETS

MAX_NAMES: Final = 1024
"""Names whose decisions are remembered: more than QEMU has. A client may invent any
number; for those the decision is made each time."""

MAX_NAME: Final = 128
"""Most characters of a name that is remembered; QEMU has none of half that size."""

MAX_NESTING: Final = 4
"""Transactions within transactions that are looked into. QEMU knows none such."""

TRANSACTION: Final = "transaction"
ALWAYS: Final = "qmp_capabilities"


class Role:
    """What the clients that have it may do.

    Args:
        name: What it is called.
        profile: What it allows to begin with.
        rules: Its rules, in order.
        allow: Commands that it allows.
        deny: Commands that it refuses, whatever else is said.
        reach: What arguments may name.
        contact: Whom its clients may ask to have it changed; may be empty.
        is_unrestricted: Whether all may be done, so that nothing need be looked at.
        is_mute: Whether its clients get no events at all.

    Attributes:
        takes_descriptors: Whether its clients may hand over descriptors.
    """

    __slots__ = (
        "_allow",
        "_deny",
        "_fixed",
        "_has_actions",
        "_rules",
        "_shown",
        "_views",
        "contact",
        "is_mute",
        "is_unrestricted",
        "name",
        "profile",
        "reach",
        "takes_descriptors",
    )

    def __init__(
        self,
        name: str,
        *,
        profile: Profile = NOTHING,
        rules: Sequence[Rule] = (),
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        reach: Reach = Reach(),  # noqa: B008 - immutable
        contact: str = "",
        is_unrestricted: bool = False,
        is_mute: bool = False,
    ) -> None:
        self.name = name
        self.profile = profile
        self.takes_descriptors = (
            is_unrestricted or reach.takes_descriptors or profile.takes_descriptors
        )
        self.reach = structs.replace(reach, takes_descriptors=self.takes_descriptors)
        self.contact = contact
        self.is_unrestricted = is_unrestricted
        self.is_mute = is_mute
        self._rules = tuple(rules)
        self._allow = frozenset(allow)
        self._deny = frozenset(deny)
        self._fixed: dict[str, Decision | None] = {}
        self._views: dict[str, tuple[str, ...] | None] = {}
        self._has_actions = any(self.may_run(kind) for kind in ACTIONS)
        self._shown: dict[str, tuple[bytes, Sequence[Info], bytes]] = {}

    def __repr__(self) -> str:
        return f"<Role {self.name} on {self.profile.name}>"

    # Commands.

    def decide(
        self, name: str, arguments: Raw | UnsetType = UNSET
    ) -> tuple[Decision, Raw | UnsetType]:
        """Return whether a command may run, and the arguments to run it with.

        Args:
            name: The command, as its client spelled it.
            arguments: An object, unread. It is read where a rule asks for it, and what
                comes back is then what was decided on, spelled anew.
        """
        if self.is_unrestricted:
            return UNRESTRICTED, arguments
        if name in self._fixed:
            decision = self._fixed[name]
        else:
            decision = self._by_name(name)
            if len(self._fixed) < MAX_NAMES and len(name) <= MAX_NAME:
                self._fixed[name] = decision
        if decision is not None:
            return decision, arguments
        try:
            value = {} if arguments is UNSET else msgspec.json.decode(arguments)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Decision("deny", "arguments", "they cannot be read"), arguments
        reach, named = self.reach, None
        if reach.host_files == "here":
            named = Named()
            reach = structs.replace(reach, named=named)
        decision = self._judge(name, value, 0, reach)
        if named and decision.is_allowed:
            decision = structs.replace(decision, named=named)
        if arguments is not UNSET:
            arguments = Raw(msgspec.json.encode(value))
        return decision, arguments

    def may_run(self, name: str) -> bool:
        """Whether a command may run with some arguments or other."""
        if self.is_unrestricted:
            return True
        for decision, conditions in self._words_on(name):
            if decision.is_allowed:
                return self._can_be_reached(name)
            if not conditions:
                return False
        return False

    def depends_on_arguments(self, name: str) -> bool:
        """Whether a command may be refused for its arguments alone."""
        return not self.is_unrestricted and self._by_name(name) is None

    def _words_on(self, name: str) -> list[tuple[Decision, Rule | None]]:
        """Return what is said about a command by name, first what counts first.

        Each is a decision and, if that depends on the arguments, the rule that knows.
        The last depends on nothing.
        """
        if name == ALWAYS:
            return [(Decision("allow", "default", "it is how one begins"), None)]
        if name in self._deny:
            return [(self._word("deny", "deny", "the role denies it"), None)]
        words: list[tuple[Decision, Rule | None]] = []
        for number, rule in enumerate(self._rules, 1):
            if name in rule.commands:
                place = f"rule {number}"
                reason = rule.reason or f"{place} of the role says so"
                words.append((self._word(rule.verdict, place, reason), rule))
                if not rule.where:
                    return words
        if name in self._allow:
            words.append((self._word("allow", "allow", "the role allows it"), None))
        elif self.profile.allows(name):
            danger = self.profile.danger_of(name)
            reason = f"the profile {self.profile.name} allows it ({danger})"
            words.append((self._word("allow", self._profile_place, reason), None))
        else:
            words.append((self._default(name), None))
        return words

    @property
    def _profile_place(self) -> str:
        return f"profile {self.profile.name}"

    def _word(self, verdict: Any, place: str, reason: str) -> Decision:
        return Decision(verdict, f"role {self.name}: {place}", reason)

    def _default(self, name: str) -> Decision:
        danger = self.profile.danger_of(name)
        if danger is None:
            reason = "it is not known what it does, and no rule names it"
        else:
            reason = f"no rule allows it (class {danger})"
        return Decision("deny", "default", reason)

    def _by_name(self, name: str) -> Decision | None:
        """Return a decision that no arguments can change; ``None``: they may."""
        decision, rule = self._words_on(name)[0]
        if rule is not None and rule.where:
            return None
        if decision.is_allowed and self._is_looked_into(name, rule):
            return None
        return decision

    def _is_looked_into(self, name: str, rule: Rule | None) -> bool:
        if name == TRANSACTION:
            return True
        if self.profile.is_unchecked or (rule is not None and rule.unchecked):
            return False
        return name in INSPECTORS

    def _judge(self, name: str, arguments: Any, depth: int, reach: Reach) -> Decision:
        for decision, rule in self._words_on(name):
            if rule is not None and not rule.holds(arguments):
                continue
            if not decision.is_allowed or not self._is_looked_into(name, rule):
                return decision
            if name == TRANSACTION:
                return self._judge_actions(arguments, decision, depth, reach)
            fault = INSPECTORS[name](arguments, reach)
            if fault:
                return Decision("deny", f"arguments of {name}", fault)
            return decision
        return self._default(name)

    def _judge_actions(
        self, arguments: Any, itself: Decision, depth: int, reach: Reach
    ) -> Decision:
        """Judge a transaction: each action as the command of that name."""
        rule = f"arguments of {TRANSACTION}"
        actions = arguments.get("actions")
        if not isinstance(actions, list):
            return Decision("deny", rule, "actions must be an array")
        if not self._has_actions:
            return Decision("deny", rule, "the role may run none of its actions")
        if depth == MAX_NESTING:
            return Decision("deny", rule, "it is nested too deeply")
        for number, action in enumerate(actions, 1):
            kind = action.get("type") if isinstance(action, dict) else None
            data = action.get("data") if isinstance(action, dict) else None
            if not isinstance(kind, str) or not isinstance(data, dict):
                reason = f"action {number} has no type or no data"
                return Decision("deny", rule, reason)
            decision = self._judge(kind, data, depth + 1, reach)
            if not decision.is_allowed:
                reason = f"action {number} ({kind[:40]}): {decision.reason}"
                return Decision("deny", decision.rule, reason)
        return itself

    def _can_be_reached(self, name: str) -> bool:
        """Whether some arguments of a command that is allowed are within reach."""
        if name == TRANSACTION:
            return self._has_actions
        if self.profile.is_unchecked or any(
            name in rule.commands and rule.unchecked for rule in self._rules
        ):
            return True
        if name == "human-monitor-command":
            return bool(self.reach.lines)
        if name in NEED_FILE:
            return bool(self.reach.directories)
        if name in NEED_DESCRIPTOR:
            return self.takes_descriptors
        return name not in NEED_NO_LOOK

    # What its clients are told.

    def show(self, name: str, value: bytes, local: Sequence[Info] = ()) -> bytes:
        """Return what a command returned, encoded, as the role may see it.

        Lists of commands and schemas have what the role may run, and no more.

        Args:
            name: The command.
            value: What it returned.
            local: What there is beside what the monitor has, as introspection tells it.

        Raises:
            GenericError: It is no such list, so nobody can tell what to leave out.
        """
        if name not in SHOWN or (self.is_unrestricted and not local):
            return value
        known = self._shown.get(name)
        if known is None or known[:2] != (value, local):
            try:
                told = SHOWN[name](value, self, local)
            except MALFORMED:
                if self.is_unrestricted:
                    return value
                message = (
                    f"The monitor behind the gateway returned to {name} what is not "
                    "understood, so that it cannot be told what the role may see of it"
                )
                raise GenericError(message) from None
            known = self._shown[name] = value, local, told
        return known[2]

    def sees(self, event: str) -> bool:
        """Whether an event of that name goes to its clients."""
        return self._places_of(event) is not None

    def view_event(self, name: str, data: Raw | UnsetType) -> Raw | UnsetType | None:
        """Return an event's data as the role may see them; ``None``: not at all."""
        if self.is_unrestricted:
            return data
        places = self._places_of(name)
        if places is None:
            return None
        return hide(data, places) if places and isinstance(data, Raw) else data

    def _places_of(self, event: str) -> tuple[str, ...] | None:
        """Return what is hidden of an event; ``None``: all of it."""
        if event not in self._views:
            places = self._decide_event(event)
            if len(self._views) >= MAX_NAMES or len(event) > MAX_NAME:
                return places
            self._views[event] = places
        return self._views[event]

    def _decide_event(self, event: str) -> tuple[str, ...] | None:
        if self.is_mute:
            return None
        if self.is_unrestricted:
            return ()
        places = EVENT_SECRETS.get(event, ()) if self.profile.hides else ()
        for rule in self._rules:
            if event in rule.events:
                return places if rule.verdict == "allow" else None
        if event.startswith(LOCAL.upper().replace("-", "_")):
            return ()
        if self.profile is NOTHING or event not in EVENT_SECRETS:
            return None
        return places


SHOWN: Final[dict[str, Callable[[bytes, Role, Sequence[Info]], bytes]]] = {
    "query-commands": tell_commands,
    "query-qmp-schema": tell_schema,
}
"""Commands whose replies tell what commands there are."""

EVERYTHING: Final = Role("everything", is_unrestricted=True)
"""The role of all clients where there is no policy."""

NOBODY: Final = Role("nobody", allow=(AUTHENTICATE,), is_mute=True)
"""The role of a client that has yet to show who it is."""
