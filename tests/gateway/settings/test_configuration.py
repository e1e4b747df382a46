"""Configuration files: what is wrong is said with its place, and nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.settings.configuration import (
    MAX_SIZE,
    Configuration,
    ConfigurationError,
    parse_configuration,
    read_configuration,
)

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
contact = "ops@example.org"

[[listener]]
address = "unix:/run/vm/a.sock"
role = "read"
mode = "0660"
group = "kvm"

[[listener]]
address = "tcp:*"
tls = { directory = "/etc/pki/qemu" }
tokens = true

[role.web]
profile = "operate"
allow = ["system_reset"]
deny = ["balloon"]
directories = ["/var/lib/images"]
lines = ["info usb"]

[[role.web.rule]]
verdict = "allow"
command = ["qom-set", "qom-get"]
where = [{ path = "path", prefix = "/machine/peripheral" }]
reason = "devices are theirs"

[[role.web.rule]]
verdict = "deny"
event = "VNC_CONNECTED"

[[grant]]
role = "web"
user = "root"

[[grant]]
role = "admin"
certificate = "ops"
listener = "tcp:*"

[[grant]]
role = "web"
token = "ci"

[[token]]
name = "ci"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
expires = 2030-01-01T00:00:00Z
"""


def test_a_whole_one_is_read() -> None:
    read = parse_configuration(WHOLE)
    assert read.has_policy
    assert [each.address for each in read.listener] == ["unix:/run/vm/a.sock", "tcp:*"]
    assert [each.role for each in read.grant] == ["web", "admin", "web"]
    roles = read.roles()
    assert roles["web"].contact == "ops@example.org"
    assert "info usb" in roles["web"].reach.lines
    assert roles["observe"].contact == "ops@example.org"
    assert {"observe", "read", "operate", "storage", "admin", "agent"} <= roles.keys()


def test_an_empty_one_has_no_policy() -> None:
    assert not parse_configuration("").has_policy
    assert parse_configuration("") == Configuration()


def test_a_role_may_be_called_like_a_profile_and_is_its_own_then() -> None:
    read = parse_configuration('[role.read]\nprofile = "observe"\n')
    assert read.roles()["read"].profile.name == "observe"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x =", "it is no TOML: "),
        ("mode = 1", "Object contains unknown field `mode`"),
        ("role = 1", "role: Expected `object`, got `int`"),
        ('[role.a]\nprofile = "root"', "role.a: profile 'root' is none: expected one"),
        ("[role.a]\nalow = []", "role.a: Object contains unknown field `alow`"),
        ('[role.a]\nallow = "stop"', "role.a.allow: Expected `array`, got `str`"),
        (
            '[[role.a.rule]]\nverdict = "allow"',
            "role.a.rule[0]: a rule is about a command or an event",
        ),
        (
            '[[role.a.rule]]\nverdict = "maybe"\ncommand = "x"',
            "role.a.rule[0].verdict: Invalid enum value 'maybe'",
        ),
        (
            '[[role.a.rule]]\nverdict="deny"\ncommand="x"\nwhere=[{path="a",matches="("}]',
            "role.a.rule[0].where[0]: the pattern '(' is none",
        ),
        (
            '[role.a]\ndirectories = ["srv"]',
            "role.a: directories: 'srv' is no absolute",
        ),
        (
            '[role.a]\ndirectories = ["/srv/../etc"]',
            "role.a: directories: '/srv/../etc'",
        ),
        ('[role.a]\nlines = ["info x; quit"]', "role.a: lines: 'info x; quit' is not"),
        (
            '[role.a]\nprofile = "everything"\ndeny = ["quit"]',
            "role.a: profile everything knows no rules",
        ),
        (
            '[role.a]\nprofile = "agent"\nallow = ["quit"]',
            "role.a: profile agent cannot be given 'quit'",
        ),
        (
            '[role.a]\nprofile = "agent"\nlines = ["quit"]',
            "role.a: lines: profile agent cannot be given 'quit'",
        ),
        (
            '[role.a]\nprofile = "agent"\nfile-descriptors = true',
            "role.a: profile agent cannot be given file-descriptors",
        ),
        ('[[grant]]\nrole = "read"', "grant[0]: expected one of user, uid, group"),
        (
            '[[grant]]\nrole = "read"\nanyone = true\nuid = 0',
            "grant[0]: expected one of user, uid, group",
        ),
        (
            '[[grant]]\nrole = "reed"\nuid = 0',
            "grant[0].role: 'reed' is none: expected one of admin, agent",
        ),
        (
            '[[grant]]\nrole = "read"\ntoken = "t"',
            "grant[0].token: no [[token]] is named so",
        ),
        ('[[listener]]\naddress = "x"\nmode = "rw"', "listener[0]: mode 'rw' is none"),
        ('[[listener]]\naddress = ""', "listener[0]: address: expected one"),
        (
            '[[listener]]\naddress = "x"\nhold-greeting = 60',
            "listener[0].hold-greeting: Expected `float` <= 5.0",
        ),
        ('[[listener]]\naddress = "x"\nrole = "no"', "listener[0].role: 'no' is none"),
        (
            f'[[token]]\nname = "t"\nsha256 = "{"0" * 64}"',
            "token: no [[listener]] has tokens = true",
        ),
        ('[[token]]\nname = "t"\nsha256 = "0"', "token[0]: sha256: expected 64"),
        (
            '[[listener]]\naddress="x"\ntokens=true\n'
            + f'[[token]]\nname = "t"\nsha256 = "{"0" * 64}"\n' * 2,
            "token: the name 't' is there twice",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text, "gateway.toml")
    assert str(caught.value).startswith(f"gateway.toml: {fault}")
    assert caught.value.exit_status == 2


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        read_configuration(missing)
    strange = tmp_path / "strange.toml"
    strange.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="it is no UTF-8"):
        read_configuration(strange)
    strange.write_bytes(b"#" * (MAX_SIZE + 1))
    with pytest.raises(ConfigurationError, match="it is larger than"):
        read_configuration(strange)
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_configuration(tmp_path)
