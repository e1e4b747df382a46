"""Bearer tokens: secrets that a client shows, where nothing else tells who it is.

A token is 256 bits of chance. What is kept is its SHA-256, and no slow password hash:
those make guessing dear where a secret can be guessed, and here there is nothing to
guess; but they would let anybody who connects keep the gateway busy. All digests are
compared, each in constant time, so that time tells nothing of which is near.
"""

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from qmpx.gateway.settings.access import TokenSettings

SIZE: Final = 32
"""Bytes of chance in a token: nobody guesses 256 bits."""

MAX_TEXT: Final = 256
"""Most characters of what is looked at as a token; one of ours has 48."""

PREFIX: Final = "qmpx_"
"""How tokens begin, so that people and scanners see what they have before them."""


def new_token() -> tuple[str, str]:
    """Return a token, to be given away and forgotten, and its digest, to be kept."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SIZE)).decode().rstrip("=")
    token = PREFIX + secret
    return token, digest_of(token)


def digest_of(token: str) -> str:
    """Return what is kept of a token, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def find_token(
    text: str, known: Iterable[TokenSettings], now: dt.datetime | None = None
) -> TokenSettings | None:
    """Return which known token *text* is, if it counts; ``None`` if it is none.

    Args:
        text: What a client shows.
        known: The tokens.
        now: With its zone; the present, unless given.
    """
    now = now or dt.datetime.now(dt.UTC)
    digest = digest_of(text[:MAX_TEXT])
    found = None
    for token in known:
        if hmac.compare_digest(digest, token.sha256.lower()) and token.is_valid(now):
            found = token
    return found
