"""A profile in a file: thousands of replies in little room, each found at once.

The first three lines are text: what it is, the version as in the greeting, the sizes of
index and dictionary. Then come the index (a line for each record: its size and its
key), the dictionary, and the records. Index and dictionary are deflated; each record is
deflated by itself, with the dictionary before it, so that a stand-in which starts reads
little of it.

Nothing is imported here that is not needed for a greeting.
"""

from __future__ import annotations

import os
import zlib

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from qmpx.standin.profile.errors import ProfileError

MAGIC: Final = b"qmpx profile 1\n"
"""The first line."""

MAX_FILE: Final = 64 * 2**20
"""Bytes of a profile's file: some sixty times what a QEMU 7.2 takes."""

MAX_RECORD: Final = 16 * 2**20
"""Bytes of one record, inflated: the largest of QEMU 7.2, its schema, has 207,000."""

MAX_INDEX: Final = 16 * 2**20
"""Bytes of the index, inflated: some 100 for each record."""

_MAX_HEAD: Final = 64 * 1024  # of the first three lines: a version is short
_WINDOW: Final = 32 * 1024  # what deflate looks back
ANY: Final = "*"
"""In a key: the answer is the same with every accelerator."""


class Profile:
    """What a binary says of itself.

    Args:
        data: The contents of a file that `write_profile` made.
        name: Where it comes from, for messages.

    Attributes:
        name: Where it comes from.
        version: What the greeting says of the version: JSON, as QEMU spells it.

    Raises:
        ProfileError: It is no profile, or it is damaged.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        if not data.startswith(MAGIC):
            message = f"{name} is no profile: make one with 'qmpx profile capture'"
            raise _error(message)
        self.version, _, sizes = data[len(MAGIC) : _MAX_HEAD].partition(b"\n")
        sizes, _, _ = sizes.partition(b"\n")
        try:
            index, dictionary = map(int, sizes.split())
        except ValueError:
            raise self._damaged() from None
        begin = len(MAGIC) + len(self.version) + len(sizes) + 2
        rest = memoryview(data)[begin:]  # a megabyte, which is not copied
        self._index_text = rest[:index]
        self._dictionary_text = rest[index : index + dictionary]
        self._records = rest[index + dictionary :]
        self._index: dict[str, tuple[int, int]] = {}
        self._unread: list[str] | None = None
        self._end = 0
        self._dictionary = b""

    def find(
        self, command: str, arguments: str = "{}", accelerator: str = "tcg"
    ) -> bytes | None:
        """Return what the binary answers to a command.

        Args:
            command: Its name.
            arguments: Its arguments as `canonical` writes them.
            accelerator: What runs the guest's code: ``tcg`` or ``kvm``.

        Returns:
            The value, as the binary spelled it; ``None`` if it was not asked.

        Raises:
            CommandError: The binary answered with an error.
            ProfileError: The file is damaged.
        """
        # A profile that was made without KVM tells what the emulator says.
        for which in (accelerator, ANY, "tcg"):
            record = self.record(f"{which} {command} {arguments}")
            if record is not None:
                break
        else:
            return None
        kind, _, text = record.partition(b" ")
        if kind == b"error":
            error_class, _, desc = text.decode().partition(" ")
            from qmpx.errors import CommandError

            raise CommandError.from_reply(error_class, desc, {}, None)
        return text

    def text(self, question: str) -> str | None:
        """Return what the binary prints for an option such as ``-machine help``."""
        record = self.record(f"text {question}")
        return None if record is None else record.decode()

    def record(self, key: str) -> bytes | None:
        """Return a record; ``None`` if there is none."""
        place = self._index.get(key) or self._seek(key)
        if place is None:
            return None
        start, size = place
        inflater = zlib.decompressobj(-15, self._dictionary)
        return self._inflate(inflater, self._records[start : start + size], MAX_RECORD)

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records."""
        self._seek(None)
        return iter(self._index)

    def _seek(self, wanted: str | None) -> tuple[int, int] | None:
        """Read the index as far as a key, which is not in what was read; or all of it.

        What a start asks for stands at its beginning.
        """
        if self._unread is None:
            plain = zlib.decompressobj
            text = self._inflate(plain(), self._index_text, MAX_INDEX)
            self._dictionary = self._inflate(plain(), self._dictionary_text, _WINDOW)
            self._lines = text.decode(errors="replace")
            self._unread = self._lines.splitlines()
            self._unread.reverse()
        if wanted is not None and f" {wanted}\n" not in self._lines:
            return None
        unread, index, end = self._unread, self._index, self._end
        try:
            while unread:
                size, _, key = unread.pop().partition(" ")
                place = index[key] = end, int(size)
                end += place[1]
                if key == wanted:
                    return place
        except ValueError:
            raise self._damaged() from None
        finally:
            self._end = end
        return None

    def _inflate(
        self, inflater: zlib._Decompress, data: memoryview, most: int
    ) -> bytes:
        try:
            text = inflater.decompress(data, most)
        except zlib.error:
            raise self._damaged() from None
        if not inflater.eof:
            raise self._damaged()
        return text

    def _damaged(self) -> ProfileError:
        return _error(f"the profile {self.name} is damaged")


def _error(message: str) -> ProfileError:
    from qmpx.standin.profile.errors import ProfileError  # a greeting needs none

    return ProfileError(message)


def write_profile(
    version: bytes, records: Iterable[tuple[str, bytes]], typical: Iterable[bytes] = ()
) -> bytes:
    """Return the contents of a profile's file.

    Args:
        version: What the greeting says of the version, as the binary spelled it.
        records: Key and text of each: see `returned`, `refused` and `Profile.text`.
        typical: Texts that many records resemble.
    """
    dictionary = b"".join(typical)[-_WINDOW:]
    index: list[str] = []
    packed: list[bytes] = []
    for key, text in records:
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=dictionary)
        packed.append(deflater.compress(text) + deflater.flush())
        index.append(f"{len(packed[-1])} {key}\n")
    index_text = zlib.compress("".join(index).encode(), 9)
    dictionary_text = zlib.compress(dictionary, 9)
    sizes = f"{len(index_text)} {len(dictionary_text)}\n".encode()
    return b"".join(
        [MAGIC, version, b"\n", sizes, index_text, dictionary_text, *packed]
    )


def returned(text: bytes) -> bytes:
    """Return the record of a command that returned *text*, which is JSON."""
    return b"return " + text


def refused(error_class: str, desc: str) -> bytes:
    """Return the record of a command that was answered with an error."""
    return f"error {error_class} {desc}".encode()


def canonical(arguments: object) -> str:
    """Return parsed arguments as one text, whatever their order was."""
    import json  # a greeting needs none

    return json.dumps(arguments, sort_keys=True, separators=(",", ":"))


def read_profile(path: str | os.PathLike[str]) -> Profile:
    """Read a profile, or the ``.replies`` file of libvirt's tests.

    Raises:
        ProfileError: It cannot be read, or is neither.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        message = f"cannot read the profile {name}: {error.strerror}"
        raise _error(message) from None
    if len(data) > MAX_FILE:
        message = f"the profile {name} has more than {MAX_FILE} bytes"
        raise _error(message)
    if data[:1] == b"{":
        from qmpx.standin.profile.replies import read_replies

        return read_replies(data, name)
    return Profile(data, name)


def shipped_profile() -> Profile:
    """Return the profile that comes with qmpx: a QEMU 7.2 of Debian, with TCG.

    Raises:
        ProfileError: The package is damaged.
    """
    folder = os.path.dirname(os.path.dirname(__file__))
    return read_profile(os.path.join(folder, "profiles", "qemu-7.2-x86_64.profile"))
