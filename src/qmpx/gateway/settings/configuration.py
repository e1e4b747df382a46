"""The gateway's configuration: a file of TOML, read whole and believed not at all.

A file that is wrong anywhere is refused as a whole, with its name, the place in it, and
what was expected there: a policy of which half is in force is none.
"""

import os
import tomllib
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from qmpx.errors import QmpxError
from qmpx.gateway.policy import Role
from qmpx.gateway.settings.access import GrantSettings, ListenerSettings, TokenSettings
from qmpx.gateway.settings.bounds import LeaseSettings, LimitsSettings
from qmpx.gateway.settings.process import (
    GatewaySettings,
    HealthSettings,
    MetricsSettings,
    TracingSettings,
)
from qmpx.gateway.settings.records import AuditSettings, JournalSettings
from qmpx.gateway.settings.roles import RoleSettings, build_role, built_in_roles
from qmpx.gateway.settings.upstreams import UpstreamSettings

MAX_SIZE: Final = 4 * 1024 * 1024
"""Most bytes of a configuration: more was not written by people, or is no such file."""


class ConfigurationError(QmpxError):
    """A configuration is wrong, and nothing of it is in force.

    Args:
        file: Which.
        reason: What is wrong, where, and what was expected.
    """

    exit_status = 2

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


class Configuration(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True
):
    """All that a file says. What it does not mention is off.

    Attributes:
        upstream: The monitors that are shared.
        listener: How clients come in.
        role: What roles allow, by name.
        grant: Who has which role; the first that fits decides.
        token: Tokens that clients may show.
        contact: Whom refused clients may ask.
        gateway: The process itself.
        audit: Where decisions are noted.
        journal: Where events are kept.
        limits: How much each client may ask.
        lease: How long clients may have a monitor to themselves.
        metrics: What is counted.
        tracing: Spans of OpenTelemetry.
        health: How monitors are watched.

    Raises:
        ValueError: A name is used that nothing has.
    """

    upstream: tuple[UpstreamSettings, ...] = ()
    listener: tuple[ListenerSettings, ...] = ()
    role: dict[str, RoleSettings] = field(default_factory=dict)
    grant: tuple[GrantSettings, ...] = ()
    token: tuple[TokenSettings, ...] = ()
    contact: str = ""
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    audit: AuditSettings | None = None
    journal: JournalSettings | None = None
    limits: LimitsSettings | None = None
    lease: LeaseSettings | None = None
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    tracing: TracingSettings = field(default_factory=TracingSettings)
    health: HealthSettings = field(default_factory=HealthSettings)

    def __post_init__(self) -> None:
        """Refuse names that nothing has, and what is there twice."""
        known = {*built_in_roles(), *self.role}
        places = [
            *((f"listener[{n}]", each.role) for n, each in enumerate(self.listener)),
            *((f"grant[{n}]", each.role) for n, each in enumerate(self.grant)),
        ]
        for place, role in places:
            if role and role not in known:
                names = ", ".join(sorted(known))
                message = f"{place}.role: {role!r} is none: expected one of {names}"
                raise ValueError(message)
        names_of_tokens = [token.name for token in self.token]
        for name in names_of_tokens:
            if names_of_tokens.count(name) > 1:
                message = f"token: the name {name!r} is there twice"
                raise ValueError(message)
        for number, grant in enumerate(self.grant):
            if grant.token is not None and grant.token not in names_of_tokens:
                message = f"grant[{number}].token: no [[token]] is named so"
                raise ValueError(message)
        if self.token and not any(each.tokens for each in self.listener):
            message = "token: no [[listener]] has tokens = true, so none can be shown"
            raise ValueError(message)

    @property
    def has_policy(self) -> bool:
        """Whether it says anything of who may do what."""
        return bool(self.listener or self.role or self.grant or self.token)

    def roles(self) -> dict[str, Role]:
        """Return the roles by name, the built-in ones too."""
        own = {
            name: build_role(name, settings, self.contact)
            for name, settings in self.role.items()
        }
        return built_in_roles(self.contact) | own


def read_configuration(path: str | os.PathLike[str]) -> Configuration:
    """Read a configuration file.

    Raises:
        ConfigurationError: It cannot be read, or is wrong.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ConfigurationError(name, error.strerror or str(error)) from error
    if len(data) > MAX_SIZE:
        raise ConfigurationError(name, f"it is larger than {MAX_SIZE} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(name, f"it is no UTF-8: {error.reason}") from error
    return parse_configuration(text, name)


def parse_configuration(text: str, name: str = "configuration") -> Configuration:
    """Read the text of a configuration.

    Args:
        text: TOML.
        name: What it is called in errors.

    Raises:
        ConfigurationError: It is wrong.
    """
    try:
        value: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(name, f"it is no TOML: {error}") from error
    place = ""
    try:
        roles = value.get("role")
        if isinstance(roles, dict):
            for role, settings in roles.items():
                place = f"role.{role}"  # which msgspec would call role[...]
                msgspec.convert(settings, RoleSettings)
            place = ""
        return msgspec.convert(value, Configuration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(name, _spelled(str(error), place)) from error


def _spelled(message: str, outer: str) -> str:
    """Put the place first, where msgspec has it last: ``... - at `$.role```."""
    text, _, inner = message.partition(" - at `$")
    place = (outer + inner.removesuffix("`")).removeprefix(".")
    return f"{place}: {text}" if place else text
