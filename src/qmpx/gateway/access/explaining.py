"""Says what a policy decides, and why, without a monitor or a client."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, Struct

from qmpx.errors import AddressError
from qmpx.gateway.access.access import Access
from qmpx.gateway.access.identity import Identity, user_name
from qmpx.gateway.policy import Decision, Role
from qmpx.gateway.settings.access import ListenerSettings
from qmpx.gateway.settings.configuration import Configuration
from qmpx.qapi.danger import HAZARDS, Danger
from qmpx.qapi.event_secrets import EVENT_SECRETS


class Told(Struct, frozen=True):
    """What a role allows.

    Attributes:
        commands: The commands of each class that it may run, with some arguments at
            least.
        conditional: Those of them that depend on the arguments.
        events: The events that it sees.
        hidden: Those of them of which something is hidden.
    """

    commands: dict[Danger, list[str]]
    conditional: list[str]
    events: list[str]
    hidden: list[str]


def role_named(configuration: Configuration, name: str) -> Role:
    """Return a role by its name.

    Raises:
        AddressError: There is none.
    """
    roles = configuration.roles()
    if name not in roles:
        message = f"there is no role {name!r}: expected one of {', '.join(roles)}"
        raise AddressError(message)
    return roles[name]


def role_of(configuration: Configuration, identity: str, listener: str = "") -> Role:
    """Return the role that a client would have.

    Args:
        configuration: What a file says.
        identity: Who it is: ``uid:NUMBER``, ``user:NAME``, ``certificate:NAME`` or
            ``token:NAME``.
        listener: Where it would come in; empty: at the first listener there is.

    Raises:
        AddressError: That says nobody, or it would be turned away.
    """
    access = Access(configuration)
    if not listener and configuration.listener:
        listener = configuration.listener[0].address
    settings = access.listener_for(listener)
    who = identity_from(identity)
    role = None
    if settings is not None:
        role = access.role_for(who, listener, settings)
    if role is None:
        message = f"{identity} has no role at {listener or 'any listener'}"
        raise AddressError(message)
    return role


def identity_from(text: str) -> Identity:
    """Read who somebody is: see `role_of`.

    Raises:
        AddressError: It says nobody.
    """
    kind, _, name = text.partition(":")
    if kind == "user" and name:
        import grp
        import pwd

        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            message = f"there is no user {name!r} on this host"
            raise AddressError(message) from None
        groups = tuple(g.gr_gid for g in grp.getgrall() if name in g.gr_mem)
        return Identity(
            "unix",
            name,
            uid=entry.pw_uid,
            gid=entry.pw_gid,
            groups=(entry.pw_gid, *groups),
        )
    if kind == "uid" and name.isdecimal():
        return Identity("unix", user_name(int(name)), uid=int(name))
    if kind == "certificate" and name:
        return Identity("tls", name, names=(name,))
    if kind == "token" and name:
        return Identity("token", name)
    message = (
        f"{text!r} says nobody: expected user:NAME, uid:NUMBER, certificate:NAME or "
        "token:NAME"
    )
    raise AddressError(message)


def explain(role: Role, name: str, arguments: str = "") -> Decision:
    """Return what a role decides about a command, or an event (in capitals).

    Args:
        role: The role.
        name: The command or the event.
        arguments: JSON; empty: none.

    Raises:
        AddressError: The arguments are no JSON object.
    """
    if name.isupper():
        if role.sees(name):
            return Decision("allow", f"role {role.name}", "its clients get the event")
        return Decision("deny", f"role {role.name}", "its clients do not get the event")
    raw: Raw | msgspec.UnsetType = UNSET
    if arguments:
        try:
            value = msgspec.json.decode(arguments, type=dict)
        except msgspec.DecodeError as error:
            message = f"the arguments are no JSON object: {error}"
            raise AddressError(message) from error
        raw = Raw(msgspec.json.encode(value))
    return role.decide(name, raw)[0]


def tell(role: Role) -> Told:
    """Return what a role allows, of all that is known."""
    commands: dict[Danger, list[str]] = {danger: [] for danger in Danger}
    conditional = []
    for name in sorted(_without_agent(HAZARDS)):
        if role.may_run(name):
            commands[HAZARDS[name].danger].append(name)
            if role.depends_on_arguments(name):
                conditional.append(name)
    seen = [name for name in sorted(EVENT_SECRETS) if role.sees(name)]
    hides = not role.is_unrestricted and role.profile.hides
    hidden = [name for name in seen if hides and EVENT_SECRETS[name]]
    return Told(commands, conditional, seen, hidden)


def _without_agent(names: Iterable[str]) -> Iterable[str]:
    """Leave out what is no command of a monitor."""
    others = {"abort"}
    return (
        each for each in names if not each.startswith("guest-") and each not in others
    )


def check_configuration(configuration: Configuration) -> None:
    """Look whether this host has what a configuration names.

    Raises:
        AddressError: A user, a group or credentials are missing; and which.
    """
    if configuration.has_policy:
        Access(configuration)


def with_default_role(
    configuration: Configuration, role: str, *, plain_tcp: bool
) -> Configuration:
    """Return a configuration in which whoever comes in elsewhere has a role.

    Args:
        configuration: What a file says.
        role: The role of those who come in where it has no listener.
        plain_tcp: Whether they may do so by TCP of this host.

    Raises:
        AddressError: There is no such role.
    """
    role_named(configuration, role)
    anywhere = ListenerSettings(address="*", role=role, plain_tcp=plain_tcp)
    listeners = (*configuration.listener, anywhere)
    return msgspec.structs.replace(configuration, listener=listeners)
