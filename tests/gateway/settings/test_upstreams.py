"""Which upstreams a file may tell of, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.errors import AddressError
from qmpx.gateway.settings.access import TlsSettings
from qmpx.gateway.settings.unchanging import UNCHANGING
from qmpx.gateway.settings.upstreams import (
    MAX_NAME,
    UpstreamSettings,
    name_of_caller,
    name_of_path,
)

GOOD: dict[str, Any] = {"address": "unix:/a", "listen": ("unix:/{name}",)}
DIAL_IN: dict[str, Any] = {"dial_in": "tcp:127.0.0.1:1", "listen": "/{name}"}
TLS = TlsSettings(directory="/pki")
UNVERIFIED = TlsSettings(directory="/pki", verify=False)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "give one of address"),
        (GOOD | {"glob": "/*"}, "give one of address"),
        (GOOD | {"listen": ()}, "say where its clients connect"),
        (GOOD | {"suffix": "x"}, "it goes with directory"),
        (GOOD | {"name": "{stem}"}, "there may be no braces"),
        (GOOD | {"name": "a/b"}, "other than A-Z"),
        (GOOD | {"listen": ("unix:/{stem}",)}, "there may be {name}"),
        (GOOD | {"listen": "unix:/{"}, "there may be {name}"),
        (GOOD | {"listen": "nonsense:"}, "nonsense"),
        (GOOD | {"address": "tcp:nowhere"}, "tcp:nowhere"),
        ({"glob": "/*", "listen": ("unix:/x",)}, r"needs a \{name\}"),
        ({"dial_in": "/i", "listen": "/{name}", "name": "{stem}"}, "{vm} {uuid}"),
        ({"dial_in": "tcp:nowhere", "listen": "/{name}"}, "tcp:nowhere"),
        (GOOD | {"address": "stdio"}, "standard input cannot be shared"),
        ({"dial_in": "stdio", "listen": "/{name}"}, "QEMUs connect to a socket"),
        ({"dial_in": "telnet:[::1]:1", "listen": "/{name}"}, "QEMUs connect to"),
        (GOOD | {"remember": ("query-status",)}, "may change"),
        (GOOD | {"tls": TLS}, "tls: it goes with dial-in"),
        (DIAL_IN | {"certificates": ("a",)}, "certificates: they go with tls"),
        (DIAL_IN | {"tls": UNVERIFIED}, "without verify = true anybody could be a mon"),
        (DIAL_IN | {"dial_in": "/i", "tls": TLS}, "QEMU speaks it over tcp only"),
        (DIAL_IN | {"dial_in": "tcp:0.0.0.0:1"}, "expected tls, or allow-remote"),
        (DIAL_IN | {"name": "{certificate}"}, "there may be {vm} {uuid}"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        UpstreamSettings(**settings)


@pytest.mark.parametrize(
    "more",
    [
        {"tls": TLS},
        {"tls": TLS, "dial_in": "tcp:0.0.0.0:1", "name": "{certificate}"},
        {"tls": TLS, "dial_in": "systemd:in", "certificates": ("a", "*.b")},
        {"dial_in": "tcp:0.0.0.0:1", "allow_remote": True},
    ],
    ids=["loopback", "remote", "systemd", "plain"],
)
def test_qemus_may_dial_in(more: dict[str, Any]) -> None:
    assert UpstreamSettings(**DIAL_IN | more).templates == ("/{name}",)


@pytest.mark.parametrize(
    ("remember", "names"),
    [
        (False, frozenset()),
        (True, frozenset(UNCHANGING)),
        (("query-name",), frozenset({"query-name"})),
    ],
)
def test_what_is_remembered(remember: Any, names: frozenset[str]) -> None:
    assert UpstreamSettings(**GOOD, remember=remember).remembered == names


def test_clients_connect_where_the_name_says() -> None:
    settings = UpstreamSettings(address="/a", listen=("unix:/{name}.1", "systemd:x"))
    assert settings.places_for("web") == ["unix:/web.1", "systemd:x"]
    assert UpstreamSettings(address="/a", listen="/x").places_for("web") == ["/x"]


@pytest.mark.parametrize(
    ("template", "path", "name"),
    [
        ("", "/run/vm/web1.sock", "web1"),
        ("", "unix:/run/vm/web1.sock", "web1"),
        ("{parent}", "/run/vm/web1/qmp.sock", "web1"),
        ("{parent}-{stem}", "/run/vm/a b/q.x.sock", "a_b-q.x"),
        ("", "/run/vm/.hidden", "hidden"),
        ("", "/run/" + "x" * 500, "x" * MAX_NAME),
    ],
)
def test_names_come_from_paths(template: str, path: str, name: str) -> None:
    assert name_of_path(template, path) == name


@pytest.mark.parametrize(
    ("template", "vm", "name"),
    [
        ("", "web1", "web1"),
        ("", "", "u-1"),
        ("{uuid}-{vm}", "web1", "u-1-web1"),
        ("", "../../x", "_.._x"),
        ("", "\u00e9\n", "__"),
    ],
)
def test_names_come_from_who_dials_in(template: str, vm: str, name: str) -> None:
    assert name_of_caller(template, vm, "u-1") == name


def test_a_name_may_be_what_was_proved() -> None:
    assert name_of_caller("{certificate}", "web1", "u-1", "h.example") == "h.example"


def test_a_name_that_comes_to_nothing_is_refused() -> None:
    with pytest.raises(AddressError, match="comes to nothing"):
        name_of_caller("{vm}", "", "u-1")
