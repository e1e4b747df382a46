"""What a policy decides and why, asked without a monitor."""

from __future__ import annotations

import os
import pwd

import pytest

from qmpx.errors import AddressError
from qmpx.gateway.access.explaining import (
    check_configuration,
    explain,
    role_named,
    role_of,
    tell,
    with_default_role,
)
from qmpx.gateway.settings.configuration import Configuration, parse_configuration
from qmpx.qapi.danger import Danger

ME = pwd.getpwuid(os.getuid()).pw_name

TEXT = f"""
[[listener]]
address = "unix:/a"
[[listener]]
address = "unix:/b"
role = "observe"
[[grant]]
role = "operate"
user = "{ME}"
listener = "unix:/a"
[[grant]]
role = "storage"
certificate = "backup"
[[grant]]
role = "agent"
uid = 12345
"""


@pytest.mark.parametrize(
    ("identity", "listener", "role"),
    [
        (f"user:{ME}", "", "operate"),
        (f"user:{ME}", "unix:/b", "observe"),
        ("certificate:backup", "", "storage"),
        ("uid:12345", "unix:/a", "agent"),
        ("token:ci", "unix:/b", "observe"),
    ],
)
def test_somebody_has_the_role_that_he_would_get(
    identity: str, listener: str, role: str
) -> None:
    assert role_of(parse_configuration(TEXT), identity, listener).name == role


@pytest.mark.parametrize(
    ("identity", "fault"),
    [
        ("uid:1", "uid:1 has no role at unix:/a"),
        ("user:no such user", "there is no user"),
        ("alice", "'alice' says nobody"),
        ("uid:x", "'uid:x' says nobody"),
    ],
)
def test_nobody_has_no_role(identity: str, fault: str) -> None:
    with pytest.raises(AddressError, match=fault):
        role_of(parse_configuration(TEXT), identity)


@pytest.mark.parametrize(
    ("name", "arguments", "verdict", "rule"),
    [
        ("stop", "", "allow", "role operate: profile operate"),
        ("quit", "{}", "deny", "default"),
        (
            "qom-get",
            '{"path": "s", "property": "data"}',
            "deny",
            "arguments of qom-get",
        ),
        ("STOP", "", "allow", "role operate"),
        ("NO_EVENT", "", "deny", "role operate"),
    ],
)
def test_the_rule_that_decides_is_told(
    name: str, arguments: str, verdict: str, rule: str
) -> None:
    decision = explain(role_named(Configuration(), "operate"), name, arguments)
    assert (decision.verdict, decision.rule) == (verdict, rule)


def test_arguments_are_an_object() -> None:
    role = role_named(Configuration(), "operate")
    for text in ("[]", "{", "1"):
        with pytest.raises(AddressError, match="no JSON object"):
            explain(role, "stop", text)
    with pytest.raises(AddressError, match="there is no role 'x'"):
        role_named(Configuration(), "x")


def test_all_that_a_role_allows_is_told() -> None:
    told = tell(role_named(Configuration(), "observe"))
    assert "query-status" in told.commands[Danger.READ]
    assert told.commands[Danger.LEAK] == told.commands[Danger.LOSS] == []
    assert told.commands[Danger.HOST] == ["human-monitor-command"]
    assert told.conditional == ["human-monitor-command"]
    assert "VNC_CONNECTED" in told.hidden
    assert set(told.hidden) < set(told.events)
    everything = tell(role_named(Configuration(), "everything"))
    assert "x-query-usb" in everything.commands[Danger.LEAK]
    assert everything.hidden == []


def test_a_default_role_is_for_where_nothing_else_is_said() -> None:
    changed = with_default_role(parse_configuration(TEXT), "read", plain_tcp=True)
    assert role_of(changed, "uid:1", "unix:/c").name == "read"
    assert role_of(changed, "uid:1", "unix:/b").name == "observe"
    with pytest.raises(AddressError, match="there is no role"):
        with_default_role(Configuration(), "reed", plain_tcp=False)


def test_what_a_host_lacks_is_found_when_it_is_checked() -> None:
    check_configuration(parse_configuration(TEXT))
    check_configuration(Configuration())
    missing = parse_configuration('[[grant]]\nrole = "read"\nuser = "no such"')
    with pytest.raises(AddressError, match="user = 'no such': there is no such user"):
        check_configuration(missing)
