"""Cuts what a client can make as long as it likes, before it is a line of an audit."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.gateway.audit.chain import Line, digest_of
from qmpx.transcript.redaction import without_secrets

MAX_ARGUMENTS: Final = 16 * 1024
"""Bytes of arguments that a line has in full, encoded; of larger ones it has the size
and the hash. A ``blockdev-add`` has some hundred."""

MAX_TEXT: Final = 512
"""Most characters of a name or of a reason in a line: a client chooses what it calls a
command, and its certificate what it is called. Of longer ones the line has the
beginning, the length and the hash."""


def shorten(line: Line) -> None:
    """Cut off what a client can make as long as it likes."""
    if len(line.command) > MAX_TEXT:
        line.command = short(line.command)
    if len(line.reason) > MAX_TEXT:
        line.reason = short(line.reason)


def short(text: str) -> str:
    """Return a text; of a longer one its beginning, its length and its hash."""
    if len(text) <= MAX_TEXT:
        return text
    digest = digest_of(text.encode("utf-8", "surrogatepass"))
    return f"{text[:MAX_TEXT]}... ({len(text)} characters, sha256 {digest})"


def shown_arguments(name: str, arguments: Raw | UnsetType) -> Any:
    """Return arguments as an audit has them: without secrets, and not too large."""
    if arguments is UNSET:
        return UNSET
    text = bytes(arguments)
    if len(text) > MAX_ARGUMENTS:
        return {"x-qmpx-bytes": len(text), "x-qmpx-sha256": digest_of(text)}
    try:
        return without_secrets(name, msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {"x-qmpx-unreadable": len(text), "x-qmpx-sha256": digest_of(text)}
