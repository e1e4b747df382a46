"""``[role.NAME]``: what the clients that have a role may do."""

from typing import Final, Literal

from msgspec import Struct

from qmpx.gateway.policy.host_paths import has_parent, normalised
from qmpx.gateway.policy.inspectors import INSPECTORS
from qmpx.gateway.policy.profiles import NOTHING, PROFILES
from qmpx.gateway.policy.reach import Reach
from qmpx.gateway.policy.role import EVERYTHING, Role
from qmpx.gateway.policy.rules import Rule
from qmpx.qapi.danger import HUMAN_LINES

MAX_RULES: Final = 1000
"""Rules of one role: more is not a policy that anybody reads, and each costs time."""

_EVERYTHING: Final = "everything"


class RoleSettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True
):
    """What a role allows and refuses.

    Attributes:
        profile: The built-in profile that it begins with; ``nothing`` allows nothing,
            ``everything`` is no policy at all.
        allow: Commands that it allows beyond that; exactly so spelled.
        deny: Commands that it refuses, whatever else is said.
        rule: Its rules; the first that holds decides.
        directories: Where files of the host may lie that arguments name.
        lines: Lines for the human monitor that it may use, beside its profile's; each
            is compared as a whole.
        drivers: Block drivers beside those that stay within files of this host.
        object_types: Types of objects beside the harmless ones.
        host_files: What is known of the files that arguments name: ``here``, they are
            this host's, and looked at; ``trusted``, they are what their names say;
            ``unknown``, neither, so that no image is opened that may name another file.
        file_descriptors: Whether its clients may hand over file descriptors.
        contact: Whom its clients may ask to have it changed.

    Raises:
        ValueError: Something has no meaning, or is more than the profile lets be given.
    """

    profile: str = NOTHING.name
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rule: tuple[Rule, ...] = ()
    directories: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    object_types: tuple[str, ...] = ()
    host_files: Literal["here", "unknown", "trusted"] = "unknown"
    file_descriptors: bool = False
    contact: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.profile == _EVERYTHING:
            named = [self.allow, self.deny, self.rule, self.directories, self.lines]
            named += [self.drivers, self.object_types]
            if any(named) or self.file_descriptors:
                message = "profile everything knows no rules: expected admin, for one"
                raise ValueError(message)
            return
        profile = PROFILES.get(self.profile)
        if profile is None:
            known = ", ".join([*PROFILES, _EVERYTHING])
            message = f"profile {self.profile!r} is none: expected one of {known}"
            raise ValueError(message)
        if len(self.rule) > MAX_RULES:
            message = f"rule: {len(self.rule)} rules, expected at most {MAX_RULES}"
            raise ValueError(message)
        for directory in self.directories:
            if normalised(directory) is None or has_parent(directory):
                message = f"directories: {directory!r} is no absolute path"
                raise ValueError(message)
        for line in self.lines:
            if not line.isprintable() or ";" in line or line != line.strip():
                message = f"lines: {line!r} is not one plain line"
                raise ValueError(message)
        if profile.floor:
            self._hold_floor(profile.name)

    def _hold_floor(self, name: str) -> None:
        profile = PROFILES[name]
        named = [*self.allow]
        for rule in self.rule:
            if rule.verdict == "allow":
                named += rule.commands
                if rule.unchecked:
                    message = f"a role on profile {name} has no rule with unchecked"
                    raise ValueError(message)
        for command in named:
            if profile.forbids(command) and not profile.allows(command):
                message = f"profile {name} cannot be given {command!r} by any rule"
                raise ValueError(message)
        if strange := set(self.lines) - HUMAN_LINES.keys():
            message = f"lines: profile {name} cannot be given {min(strange)!r}"
            raise ValueError(message)
        if self.host_files == "trusted":
            message = f"profile {name} cannot be given host-files = 'trusted'"
            raise ValueError(message)
        if self.file_descriptors:
            message = f"profile {name} cannot be given file-descriptors"
            raise ValueError(message)


def build_role(name: str, settings: RoleSettings, contact: str = "") -> Role:
    """Return a role.

    Args:
        name: What it is called.
        settings: What it allows.
        contact: Whom its clients may ask, unless it says so itself.
    """
    contact = settings.contact or contact
    if settings.profile == _EVERYTHING:
        if name == _EVERYTHING and not contact:
            return EVERYTHING
        return Role(name, contact=contact, is_unrestricted=True)
    profile = PROFILES[settings.profile]
    lines = {line for line, danger in HUMAN_LINES.items() if danger in profile.lines}
    return Role(
        name,
        profile=profile,
        rules=settings.rule,
        allow=settings.allow,
        deny=settings.deny,
        reach=Reach(
            directories=settings.directories,
            lines=frozenset(lines | set(settings.lines)),
            drivers=frozenset(settings.drivers),
            object_types=frozenset(settings.object_types),
            takes_descriptors=settings.file_descriptors,
            host_files=settings.host_files,
        ),
        contact=contact,
    )


def built_in_roles(contact: str = "") -> dict[str, Role]:
    """Return a role for each profile, with its name, but for ``nothing``."""
    names = [name for name in (*PROFILES, _EVERYTHING) if name != NOTHING.name]
    return {
        name: build_role(name, RoleSettings(profile=name), contact) for name in names
    }


LOOKED_INTO: Final = frozenset({*INSPECTORS, "transaction"})
"""The commands whose arguments are looked into, unless a rule says ``unchecked``."""
