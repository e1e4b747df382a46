"""Who may come in where, and with which role."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import AddressError
from qmpx.gateway.access.access import Access
from qmpx.gateway.access.identity import Identity
from qmpx.gateway.access.tokens import new_token
from qmpx.gateway.settings.configuration import parse_configuration
from qmpx.transport.address import parse_listen_address

if TYPE_CHECKING:
    from pathlib import Path

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name

GRANTS = f"""
[[listener]]
address = "unix:/run/low*"
role = "observe"
[[listener]]
address = "unix:*"
[[grant]]
role = "admin"
user = "{ME}"
listener = "unix:/run/admin"
[[grant]]
role = "read"
uid = 12345
gid = 7
[[grant]]
role = "operate"
group = "{MY_GROUP}"
[[grant]]
role = "storage"
certificate = "backup"
[[grant]]
role = "agent"
anyone = true
listener = "unix:/run/agents"
"""


def unix(uid: int, *groups: int) -> Identity:
    return Identity("unix", "x", uid=uid, gid=groups[0] if groups else 1, groups=groups)


@pytest.mark.parametrize(
    ("identity", "listener", "role"),
    [
        (unix(os.getuid()), "unix:/run/admin", "admin"),
        (unix(os.getuid()), "unix:/run/other", None),
        (unix(os.getuid()), "unix:/run/low1", "observe"),
        (unix(12345, 7), "unix:/run/x", "read"),
        (unix(12345, 8), "unix:/run/x", None),
        (unix(3, 9, os.getgid()), "unix:/run/x", "operate"),
        (Identity("tls", "a", names=("a", "backup")), "unix:/run/x", "storage"),
        (Identity("tls", "a", names=("a", "Backup")), "unix:/run/x", None),
        (Identity("unix", "backup", names=("backup",)), "unix:/run/x", None),
        (Identity("tcp", "::1"), "unix:/run/agents", "agent"),
        (Identity("unknown"), "unix:/run/x", None),
    ],
)
def test_the_first_grant_that_fits_decides(
    identity: Identity, listener: str, role: str | None
) -> None:
    access = Access(parse_configuration(GRANTS))
    settings = access.listener_for(listener)
    assert settings is not None
    given = access.role_for(identity, listener, settings)
    assert (given and given.name) == role


def test_a_listener_is_found_by_its_address() -> None:
    access = Access(parse_configuration(GRANTS))
    assert access.listener_for("tcp:127.0.0.1:1") is None
    strange = Access(parse_configuration('[[listener]]\naddress = "unix:/a[b]?c"'))
    assert strange.listener_for("unix:/a[b]?c") is not None
    assert strange.listener_for("unix:/abxc") is None


def test_a_token_says_whose_it_is() -> None:
    token, digest = new_token()
    access = Access(
        parse_configuration(
            f'[[listener]]\naddress = "*"\ntokens = true\n'
            f'[[token]]\nname = "ci"\nsha256 = "{digest}"\n'
        )
    )
    found = access.token_of(token)
    assert found is not None
    assert found.name == "ci"
    assert access.token_of(digest) is None
    assert access.still_counts(Identity("token", "ci", digest=digest))
    assert not access.still_counts(Identity("token", "ci", digest="0" * 64))
    assert access.still_counts(Identity("unix", "ci"))
    assert access.takes_tokens


@pytest.mark.parametrize(
    ("listener", "address", "fault"),
    [
        ('address = "unix:*"', "tcp:127.0.0.1:1", "no [[listener]] for it"),
        ('address = "*"', "tcp:127.0.0.1:1", "expected tls in its [[listener]]"),
        (
            'address = "*"\nplain-tcp = true',
            "tcp:192.0.2.1:1",
            "only TLS is for others",
        ),
        ('address = "*"\nplain-tcp = true', "tcp::1", "only TLS is for others"),
    ],
)
def test_plain_tcp_is_for_this_host_and_when_it_is_asked_for(
    listener: str, address: str, fault: str
) -> None:
    access = Access(parse_configuration(f"[[listener]]\n{listener}"))
    with pytest.raises(AddressError) as caught:
        access.check_place(parse_listen_address(address))
    assert fault in str(caught.value)


def test_what_is_asked_for_may_be_listened_on() -> None:
    access = Access(
        parse_configuration('[[listener]]\naddress = "*"\nplain-tcp = true')
    )
    for address in ("tcp:127.0.0.1:1", "tcp:[::1]:1", "unix:/x", "unix:@x"):
        assert access.check_place(parse_listen_address(address)) is False


def test_a_socket_gets_its_mode_and_owner(directory: Path) -> None:
    path = directory / "a"
    text = f'[[listener]]\naddress = "*"\nmode = "0660"\ngroup = "{MY_GROUP}"'
    access = Access(parse_configuration(text + f'\nowner = "{os.getuid()}"'))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        access.prepare(parse_listen_address(f"unix:{path}"))
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())
    path.unlink()
    with pytest.raises(AddressError, match="cannot set its mode or owner"):
        access.prepare(parse_listen_address(f"unix:{path}"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[[grant]]\nrole = "read"\nuser = "nobody at all"',
            r"\[\[grant\]\] user = 'nobody at all': there is no such user on this host",
        ),
        (
            '[[grant]]\nrole = "read"\ngroup = "no such one"',
            r"\[\[grant\]\] group = 'no such one': there is no such group on this host",
        ),
        (
            '[[listener]]\naddress = "*"\nowner = "nobody at all"',
            r"\[\[listener\]\] owner = 'nobody at all': there is no such user",
        ),
        (
            '[[listener]]\naddress = "*"\ngroup = "no such one"',
            r"\[\[listener\]\] group = 'no such one': there is no such group",
        ),
        (
            '[[listener]]\naddress = "*"\ntls = { directory = "/nonexistent" }',
            "TLS: /nonexistent: ",
        ),
    ],
)
def test_what_this_host_does_not_have_is_told(text: str, fault: str) -> None:
    with pytest.raises(AddressError, match=fault):
        Access(parse_configuration(text))
