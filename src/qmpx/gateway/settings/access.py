"""``[[listener]]``, ``[[grant]]``, ``[[token]]``: how clients come in, and as what."""

import datetime as dt
import hashlib
from typing import Annotated, Final

from msgspec import Meta, Struct

HOLD_LIMIT: Final = 5.0
"""Most seconds that a greeting is held back: clients give up on monitors that do not
greet."""

_KINDS: Final = ("user", "uid", "group", "gid", "certificate", "token")


class TlsSettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True
):
    """How a listener speaks TLS.

    Attributes:
        directory: Where ``ca-cert.pem``, ``server-cert.pem`` and ``server-key.pem``
            are and, if there is one, ``ca-crl.pem``: the names that QEMU uses.
        verify: Whether clients must show a certificate that the authority has signed.
    """

    directory: str
    verify: bool = True


class ListenerSettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True
):
    """One way for clients to come in.

    Attributes:
        address: Which: an address as it is listened on; ``*`` stands for any text.
        role: The role of those whom no grant fits; empty: they are turned away.
        mode: The mode of a unix socket, in octal.
        owner: Its owner, by name or number; empty: who runs the gateway.
        group: Its group, likewise.
        tokens: Whether a client may show a token, with ``x-qmpx-authenticate``.
        tls: How it speaks TLS; absent: not at all.
        plain_tcp: Whether TCP of this host may be served without TLS. Every user and
            every program of the host can then connect.
        hold_greeting: Seconds that the greeting waits for bytes of a client that speaks
            first, as browsers do.

    Raises:
        ValueError: It cannot be meant.
    """

    address: str
    role: str = ""
    mode: str = "0600"
    owner: str = ""
    group: str = ""
    tokens: bool = False
    tls: TlsSettings | None = None
    plain_tcp: bool = False
    hold_greeting: Annotated[float, Meta(ge=0.0, le=HOLD_LIMIT)] = 0.0

    def __post_init__(self) -> None:
        """Refuse modes that are none."""
        try:
            mode = int(self.mode, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            message = f"mode {self.mode!r} is none: expected octal digits, such as 0660"
            raise ValueError(message)
        if not self.address:
            message = "address: expected one"
            raise ValueError(message)


class GrantSettings(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True
):
    """Gives a role to those for whom all holds that it says.

    Attributes:
        role: The role.
        user: The name of a unix socket's peer, a user of this host.
        uid: Its number.
        group: A group of this host that the peer is in.
        gid: Its number.
        certificate: A name of a client's certificate: the subject's common name, or one
            of its alternative names.
        token: The name of a token that was shown.
        anyone: Whether it is for everybody.
        listener: Where the client came in, where ``*`` stands for any text; empty:
            anywhere.

    Raises:
        ValueError: It is for nobody, or does not say for whom.
    """

    role: str
    user: str | None = None
    uid: int | None = None
    group: str | None = None
    gid: int | None = None
    certificate: str | None = None
    token: str | None = None
    anyone: bool = False
    listener: str = ""

    def __post_init__(self) -> None:
        """Refuse a grant that does not say for whom."""
        said = [name for name in _KINDS if getattr(self, name) is not None]
        if bool(said) == self.anyone:
            kinds = ", ".join(_KINDS)
            message = f"expected one of {kinds}, or anyone = true"
            raise ValueError(message)
        if not self.role:
            message = "role: expected one"
            raise ValueError(message)


class TokenSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[token]]``: a token that is known.

    Attributes:
        name: Who shows it.
        sha256: Its digest, in hexadecimal.
        expires: From when on it counts no more, with its time zone.
        revoked: Whether it counts no more already.

    Raises:
        ValueError: The digest is none, or the time has no zone.
    """

    name: str
    sha256: str
    expires: dt.datetime | None = None
    revoked: bool = False

    def __post_init__(self) -> None:
        """Refuse what can never be shown."""
        if not self.name:
            message = "name: expected one"
            raise ValueError(message)
        try:
            size = len(bytes.fromhex(self.sha256))
        except ValueError:
            size = 0
        if size != hashlib.sha256().digest_size:
            message = "sha256: expected 64 hexadecimal digits"
            raise ValueError(message)
        if self.expires is not None and self.expires.tzinfo is None:
            message = "expires: expected a time with its zone, such as ...T00:00:00Z"
            raise ValueError(message)

    def is_valid(self, now: dt.datetime) -> bool:
        """Whether it counts."""
        return not self.revoked and (self.expires is None or now < self.expires)
