"""What proves a line of an audit: its SHA-256 or, with a key, its HMAC.

A hash anybody can compute: who may write the files can write another history, and its
hashes, too. By a key that such a one has not got each line, and the head, have a code
that nobody else can make (HMAC-SHA-256, RFC 2104). So lines can be taken away from the
end at most, and that contradicts the head; an older head helps only together with all
that was as old. Against that there is but a hash that is kept elsewhere.
"""

import hashlib
import hmac
import os
import stat
from typing import Final

import msgspec

from qmpx.gateway.audit.chain import AuditError, Head

MIN_KEY: Final = 32
"""Bytes of the shortest key: as many as a code has (RFC 2104, section 3)."""

MAX_KEY: Final = 4096
"""Bytes of the longest key: what is larger is some other file."""

_NAME: Final = b"the name of a key of qmpx's"
_NAME_SIZE: Final = 16  # hexadecimal digits: enough to tell one key from another
_decode: Final = msgspec.json.Decoder(dict[str, int | str]).decode


class Seal:
    """Proves lines and heads, and looks whether they are proved.

    Args:
        key: The key; empty: there is none.

    Attributes:
        key_name: What tells this key from another; empty without one.
    """

    __slots__ = ("_key", "key_name")

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self.key_name = self._code(_NAME)[:_NAME_SIZE] if key else ""

    def digest_of(self, text: bytes) -> str:
        """Return what proves a line, in hexadecimal.

        Args:
            text: The line, without its end.
        """
        return self._code(text) if self._key else hashlib.sha256(text).hexdigest()

    def spell(self, head: Head) -> bytes:
        """Return a head as its file has it: always as many bytes."""
        text = head.spell()
        if not self._key:
            return text
        return b'%b,"hmac":"%b"}\n' % (text[:-2], self._code_of(head).encode())

    def vouches_for(self, head: Head, text: bytes) -> bool:
        """Whether the file of a head is by this key; without one any is.

        Args:
            head: What it says.
            text: The file.
        """
        if not self._key:
            return True
        try:
            code = _decode(text).get("hmac")
        except msgspec.MsgspecError:
            return False
        return isinstance(code, str) and hmac.compare_digest(code, self._code_of(head))

    def _code_of(self, head: Head) -> str:
        # No line begins so: a line's code is none of a head.
        return self._code(b"head %d %b" % (head.sequence, head.digest.encode()))

    def _code(self, text: bytes) -> str:
        return hmac.digest(self._key, text, "sha256").hex()


def read_key(path: str | os.PathLike[str]) -> bytes:
    """Return the key that a file has; the end of its last line does not count.

    Raises:
        AuditError: It cannot be read, others may read it, or it is no key.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_KEY + 1)
    except OSError as error:
        message = f"{name}: {error.strerror or error}"
        raise AuditError(message) from None
    if stat.S_IMODE(mode) & 0o077:
        message = f"{name}: others can use this key; expected mode 0600"
        raise AuditError(message)
    key = data.rstrip(b"\r\n")
    if not len(key) >= MIN_KEY or len(data) > MAX_KEY:
        message = f"{name}: expected a key of {MIN_KEY} to {MAX_KEY} bytes"
        raise AuditError(message)
    return key
