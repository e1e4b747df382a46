"""Tokens and certificates that do not count; each attempt is in the audit."""

from __future__ import annotations

import contextlib
import datetime as dt
import hmac
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.access.tokens import find_token, new_token
from qmpx.gateway.settings.access import TokenSettings
from qmpx.gateway.sharing.door import MAX_ATTEMPTS, MAX_UNKNOWN
from tests.certificates import Authority, make_authority
from tests.gateway.attacks.conftest import TOKENS, Target, attacked

if TYPE_CHECKING:
    from pathlib import Path

GOOD = TOKENS["good"][0]


def show(token: Any) -> dict[str, Any]:
    return {"execute": "x-qmpx-authenticate", "arguments": {"token": token}}


WRONG = {
    "expired": TOKENS["expired"][0],
    "revoked": TOKENS["revoked"][0],
    "without a role": TOKENS["idle"][0],
    "unknown": new_token()[0],
    "truncated": GOOD[:-1],
    "longer": GOOD + "A",
    "padded": GOOD + "\x00",
    "spaced": GOOD + " ",
    "other case": GOOD.swapcase(),
    "its digest": TOKENS["good"][1],
    "its name": "good",
    "empty": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRONG)
def test_a_token_that_does_not_count_gives_nothing(target: Target, kind: str) -> None:
    since = len(target.audit())
    with target.connect("tokens") as peer:
        refused = peer.greeted().ask(show(WRONG[kind]))
        assert refused["error"]["desc"] == "the token does not count here"
        desc = peer.ask({"execute": "query-name"})["error"]["desc"]
        assert "does not allow query-name" in desc
        # The right one still counts, on this connection as on others.
        assert peer.ask(show(GOOD))["return"]["role"] == "low"
        assert peer.ask({"execute": "query-name"}) == {"return": {"name": "box"}}
    target.wait_for_audit(  # lines of what was asked before may come late
        lambda it: (
            it.get("command") == "x-qmpx-authenticate"
            and it.get("outcome") == "GenericError"
        ),
        since,
    )
    text = (target.folder / "audit.jsonl").read_text()
    assert GOOD not in text
    assert len(WRONG[kind]) < 20 or WRONG[kind] not in text or kind == "its digest"


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, 1, [], {}, ["x"], {"token": GOOD}, "x" * 257])
def test_what_is_no_token_is_refused(target: Target, token: Any) -> None:
    with target.connect("tokens") as peer:
        assert "error" in peer.greeted().ask(show(token))
        assert "error" in peer.ask({"execute": "query-name"})


@pytest.mark.slow
def test_who_guesses_is_disconnected_and_a_token_does_not_last_beyond_its_connection(
    target: Target,
) -> None:
    since = len(target.audit())
    with target.connect("tokens") as peer:
        peer.greeted()
        for _ in range(MAX_ATTEMPTS):
            peer.send(show(new_token()[0]))
        assert peer.is_over()
    target.wait_for_audit(
        lambda it: it.get("reason") == "it has shown too many wrong tokens", since
    )
    for _ in range(2):  # what was said on one connection is nothing on the next
        with target.connect("tokens") as peer:
            assert "error" in peer.greeted().ask({"execute": "query-name"})


@pytest.mark.slow
def test_those_who_show_nothing_do_not_keep_others_out_for_good(target: Target) -> None:
    since = len(target.audit())
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_UNKNOWN):
            stack.enter_context(target.connect("tokens")).greeted()
        with target.connect("tokens") as late:
            assert late.is_over()
        line = target.wait_for_audit(lambda it: it["kind"] == "turned-away", since)
        assert line["reason"] == "too many have yet to show a token"
        assert line["who"]["identity"].startswith("unix:")
    with target.connect("tokens") as peer:
        assert peer.greeted().ask(show(GOOD))["return"]["role"] == "low"


@pytest.mark.slow
def test_who_has_no_role_is_turned_away_and_that_is_in_the_audit(
    target: Target,
) -> None:
    since = len(target.audit())
    with target.connect("nobody") as peer:
        assert peer.receive() is None
    line = target.wait_for_audit(lambda it: it["kind"] == "turned-away", since)
    assert line["reason"] == "it has no role"
    assert line["who"]["listener"] == f"unix:{target.folder}/nobody"


@pytest.mark.slow
def test_a_token_that_expires_ends_its_conversation(authority: Authority) -> None:
    # It has to be shown before that: on a host that is busy there must be more time.
    assert any(ends_with_its_token(authority, seconds) for seconds in (2.5, 10, 40))


def ends_with_its_token(authority: Authority, seconds: float) -> bool:
    """See that a token ends its conversation, and no other; tell if it was in time."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    token, digest = new_token()
    more = (
        f'[[token]]\nname = "soon"\nsha256 = "{digest}"\nexpires = {soon:%FT%T.%fZ}\n'
    )
    more += '[[grant]]\nrole = "low"\ntoken = "soon"\n'
    with (
        attacked(authority=authority, more=more) as target,
        target.connect("tokens") as peer,
        target.connect("tokens") as other,
    ):
        reply = peer.greeted().ask(show(token))
        if "error" in reply:
            return False
        assert reply["return"]["role"] == "low"
        assert other.greeted().ask(show(GOOD))["return"]["role"] == "low"
        assert peer.is_over()
        target.wait_for_audit(
            lambda it: it.get("reason", "") == "its token has expired"
        )
        assert other.ask({"execute": "query-name"}) == {"return": {"name": "box"}}
    return True


def test_digests_are_compared_in_constant_time_and_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []
    in_constant_time = hmac.compare_digest

    def compare(one: str, two: str) -> bool:
        compared.append(two)
        return in_constant_time(one, two)

    monkeypatch.setattr("qmpx.gateway.access.tokens.hmac.compare_digest", compare)
    made = [new_token() for _ in range(5)]
    known = [TokenSettings(name=digest, sha256=digest) for _, digest in made]
    found = find_token(made[1][0], known)
    assert found is known[1]
    assert compared == [digest for _, digest in made]  # also those behind it


def certified(target: Target, context: ssl.SSLContext) -> bytes:
    """Come by TLS, and return what the gateway says."""
    with socket.create_connection(("127.0.0.1", target.tls), 10) as sock:
        try:
            with context.wrap_socket(sock, server_hostname="localhost") as tls:
                return tls.recv(4096)
        except (ssl.SSLError, ConnectionError):
            return b""


def self_signed(folder: Path) -> Authority:
    """Return an authority that calls its client as a known one is called."""
    return make_authority(folder / "foreign")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("late", "certificate has expired"),
        ("bob", "certificate revoked"),
        ("", "peer did not return a certificate"),
        ("foreign", "the certificate does not count"),
        ("self-signed", "the certificate does not count"),
    ],
)
def test_a_certificate_that_does_not_count_ends_the_handshake(
    target: Target, stem: str, reason: str, tmp_path: Path
) -> None:
    assert target.authority is not None
    since = len(target.audit())
    if stem in ("foreign", "self-signed"):
        foreign = self_signed(tmp_path)
        trusted = target.authority.directory / "ca-cert.pem"
        context = ssl.create_default_context(cafile=trusted)
        name = "alice" if stem == "foreign" else "ca"
        context.load_cert_chain(
            foreign.directory / f"{name}-cert.pem",
            foreign.directory / f"{name}-key.pem",
        )
    else:
        context = target.authority.client_context(stem)
    assert certified(target, context) == b""
    line = target.wait_for_audit(lambda it: it["kind"] == "turned-away", since)
    assert reason in line["reason"]
    assert line["who"]["identity"] == "tcp:127.0.0.1"
    assert b"QMP" in certified(target, target.authority.client_context("alice"))


@pytest.mark.slow
def test_a_good_certificate_without_a_role_is_turned_away_by_its_name(
    target: Target,
) -> None:
    assert target.authority is not None
    since = len(target.audit())
    target.authority.sign("carol", "carol")
    assert certified(target, target.authority.client_context("carol")) == b""
    line = target.wait_for_audit(lambda it: it["kind"] == "turned-away", since)
    assert line["who"]["identity"] == "tls:carol"
    assert line["reason"] == "it has no role"
