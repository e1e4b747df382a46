"""Which commands and events each built-in profile allows, by their danger. Pure.

Each of ``observe`` < ``read`` < ``operate`` < ``storage`` < ``admin`` allows what the
one before it does. ``agent`` is for programs whose next command nobody can foretell: it
allows little, and no rule can give it more than control. ``everything`` is no policy.
"""

from typing import Final

from msgspec import Struct

from qmpx.qapi.danger import HAZARDS, Area, Danger, is_unstable

AUTHENTICATE: Final = "x-qmpx-authenticate"
"""The command with which a client shows a token."""

LOCAL_DANGERS: Final[dict[str, Danger]] = {
    AUTHENTICATE: Danger.READ,
    "x-qmpx-health": Danger.READ,
    "x-qmpx-subscribe": Danger.READ,
    "x-qmpx-unsubscribe": Danger.READ,
    "x-qmpx-query-journal": Danger.READ,
    "x-qmpx-whoami": Danger.READ,
    "x-qmpx-lease": Danger.CONTROL,
    "x-qmpx-release": Danger.CONTROL,
    "x-qmpx-query-lease": Danger.READ,
    "x-qmpx-wait-for-lease": Danger.READ,
    "x-qmpx-break-lease": Danger.HOST,  # for administrators: it ends others' work
}
"""The gateway's own commands; those not here count as `Danger.CONTROL`."""

LOCAL: Final = "x-qmpx-"
"""How the names of the gateway's own commands begin; no QEMU has such."""


class Profile(Struct, frozen=True):
    """What a built-in profile allows.

    Attributes:
        name: What it is called.
        summary: For whom it is.
        dangers: All commands of these classes.
        also: Commands of other classes.
        never: Commands of its classes that it does not allow.
        floor: Classes that no rule of a role on it can allow, whatever it says.
        lines: Lines of the human monitor of these classes.
        hides: Whether events lose what gives clients or files away.
        is_unchecked: Whether arguments are not looked into.
        takes_descriptors: Whether descriptors may be handed over.
    """

    name: str
    summary: str
    dangers: frozenset[Danger] = frozenset()
    also: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    floor: frozenset[Danger] = frozenset()
    lines: frozenset[Danger] = frozenset()
    hides: bool = True
    is_unchecked: bool = False
    takes_descriptors: bool = False

    def danger_of(self, command: str) -> Danger | None:
        """Return a command's class; ``None`` if it is not known."""
        if command.startswith(LOCAL):
            return LOCAL_DANGERS.get(command, Danger.CONTROL)
        row = HAZARDS.get(command)
        return None if row is None else row.danger

    def allows(self, command: str) -> bool:
        """Whether it allows a command by name; its arguments may be looked into yet."""
        if command in self.never:
            return False
        if command in self.also:
            return True
        if is_unstable(command) and not command.startswith(LOCAL):
            return False
        return self.danger_of(command) in self.dangers

    def forbids(self, command: str) -> bool:
        """Whether no rule can allow a command to a role with this profile."""
        danger = self.danger_of(command)
        return bool(self.floor) and (danger is None or danger in self.floor)


_READING: Final = frozenset({Danger.READ, Danger.LEAK})
_TAKES_READING: Final = frozenset({"ringbuf-read"})
_INSPECTED: Final = frozenset({"human-monitor-command", "transaction"})
_STORAGE: Final = frozenset(
    name
    for name, row in HAZARDS.items()
    if (row.danger, row.area) == (Danger.HOST, Area.STORAGE) and not is_unstable(name)
)

NOTHING: Final = Profile("nothing", "allows nothing by itself: rules do")

OBSERVE: Final = Profile(
    "observe",
    "dashboards: reads what gives nobody away",
    dangers=frozenset({Danger.READ}),
    also=_INSPECTED,
    lines=frozenset({Danger.READ}),
)

READ: Final = Profile(
    "read",
    "diagnosis: reads file names and addresses, too, but no secrets",
    dangers=_READING,
    also=_INSPECTED,
    never=_TAKES_READING,
    lines=_READING,
    hides=False,
)

OPERATE: Final = Profile(
    "operate",
    "running a machine: also changes what can be changed back",
    dangers=_READING | {Danger.CONTROL},
    also=_INSPECTED,
    lines=_READING,
    hides=False,
)

STORAGE: Final = Profile(
    "storage",
    "backups and disks: also loses state or data; files only in the role's directories",
    dangers=_READING | {Danger.CONTROL, Danger.LOSS},
    also=_INSPECTED | _STORAGE,
    lines=_READING,
    hides=False,
)

ADMIN: Final = Profile(
    "admin",
    "everything that is known and stable, with any arguments",
    dangers=frozenset(Danger),
    lines=_READING,
    hides=False,
    is_unchecked=True,
    takes_descriptors=True,
)

AGENT: Final = Profile(
    "agent",
    "an AI agent's leash: reads what gives nobody away, stops and continues",
    dangers=frozenset({Danger.READ}),
    also=_INSPECTED | {"stop", "cont", "system_powerdown", "system_wakeup"},
    floor=frozenset({Danger.LOSS, Danger.HOST}),
    lines=frozenset({Danger.READ}),
)

PROFILES: Final = {
    profile.name: profile
    for profile in (NOTHING, OBSERVE, READ, OPERATE, STORAGE, ADMIN, AGENT)
}
"""The built-in profiles by name, but for ``everything``, which is none."""
