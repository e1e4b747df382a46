"""Tokens: which count, and what is kept of them."""

from __future__ import annotations

import datetime as dt

import pytest

from qmpx.gateway.access.tokens import (
    MAX_TEXT,
    PREFIX,
    digest_of,
    find_token,
    new_token,
)
from qmpx.gateway.settings.access import TokenSettings

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_a_token_is_long_and_new_and_its_digest_says_nothing_of_it() -> None:
    made = [new_token() for _ in range(100)]
    assert len({token for token, _ in made}) == 100
    for token, digest in made:
        assert token.startswith(PREFIX)
        assert len(token) == len(PREFIX) + 43  # 256 bits, six in each letter
        assert digest == digest_of(token)
        assert token not in digest
        assert len(bytes.fromhex(digest)) == 32


def test_the_one_that_is_known_is_found() -> None:
    tokens = [new_token() for _ in range(3)]
    known = [
        TokenSettings(name=f"t{number}", sha256=digest.upper())
        for number, (_, digest) in enumerate(tokens)
    ]
    assert [find_token(token, known) for token, _ in tokens] == known


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, True),
        ({"revoked": True}, False),
        ({"expires": NOW + dt.timedelta(seconds=1)}, True),
        ({"expires": NOW}, False),
        ({"expires": NOW - dt.timedelta(days=1)}, False),
    ],
)
def test_one_that_is_revoked_or_expired_does_not_count(
    settings: dict[str, bool | dt.datetime], counts: bool
) -> None:
    token, digest = new_token()
    known = TokenSettings(name="t", sha256=digest, **settings)  # type: ignore[arg-type]
    assert find_token(token, [known], NOW) is (known if counts else None)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.upper(),
        lambda token: " " + token,
        lambda token: token.removeprefix(PREFIX),
        lambda token: digest_of(token),
        lambda token: token + "x" * MAX_TEXT,
        lambda _: "",
        lambda _: "\ud800",
    ],
)
def test_nothing_near_it_counts(change: object) -> None:
    token, digest = new_token()
    known = [TokenSettings(name="t", sha256=digest)]
    assert find_token(change(token), known) is None  # type: ignore[operator]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"name": ""}, "name: expected one"),
        ({"sha256": "x"}, "64 hexadecimal digits"),
        ({"sha256": "00"}, "64 hexadecimal digits"),
        ({"expires": dt.datetime(2026, 1, 1)}, "with its zone"),
    ],
)
def test_what_can_never_be_shown_is_refused(
    settings: dict[str, object], fault: str
) -> None:
    given = {"name": "t", "sha256": "0" * 64} | settings
    with pytest.raises(ValueError, match=fault):
        TokenSettings(**given)  # type: ignore[arg-type]
