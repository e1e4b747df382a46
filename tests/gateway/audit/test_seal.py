"""By a key, who can write an audit cannot write another history."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qmpx.gateway.audit.chain import AuditError, Head, Line, encode, read_head
from qmpx.gateway.audit.file import AuditFile
from qmpx.gateway.audit.seal import MAX_KEY, MIN_KEY, Seal, read_key
from qmpx.gateway.audit.verifying import Verifier
from tests.loops import silenced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = b"k" * MIN_KEY
OTHER = b"o" * MIN_KEY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an audit by the key, of a few lines."""
    path = tmp_path / "audit.jsonl"
    write(path)
    return path


def write(path: Path, key: bytes = KEY, commands: tuple[str, ...] = ("a", "b")) -> None:
    with closing(AuditFile(path, key=key)) as audit:
        for command in commands:
            audit.announce(Line(0, "", "", "intent", "vm", command=command))


def fault_of(path: Path, key: bytes = KEY) -> str:
    """Return what is wrong with an audit; the empty text: nothing."""
    seal = Seal(key)
    verifier = Verifier(seal)
    text = path.with_name(f"{path.name}.head").read_bytes()
    head = read_head(text)
    assert head is not None
    if not seal.vouches_for(head, text):
        return "the head"
    verifier.expect(head)
    with path.open("rb") as file:
        problem = verifier.read(path.name, file)
    if problem is not None:
        return f"{problem.line}: {problem.expected}"
    return verifier.missing()


def lines_of(path: Path) -> list[Line]:
    decode = msgspec.json.Decoder(Line).decode
    return [decode(line) for line in path.read_bytes().splitlines()]


def test_an_audit_by_a_key_is_whole_and_goes_on_by_it(path: Path) -> None:
    assert fault_of(path) == ""
    write(path, commands=("c",))
    assert fault_of(path) == ""
    assert [line.command for line in lines_of(path)] == ["", "a", "b", "c"]


def test_each_file_says_by_which_key_it_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with closing(AuditFile(path, key=KEY, max_size=400)) as audit:
        for _ in range(4):
            audit.announce(Line(0, "", "", "intent", "vm", command="stop"))
    parts = [*sorted(tmp_path.glob("audit.jsonl.[0-9]*")), path]
    assert len(parts) > 2
    firsts = [lines_of(part)[0] for part in parts]
    named = [line.more["key"] for line in firsts if line.more is not msgspec.UNSET]
    assert named == [Seal(KEY).key_name] * len(parts)


def first_of(path: Path) -> bytes:
    return path.read_bytes().splitlines()[0]


def forged(lines: list[Line], seal: Seal) -> bytes:
    """Return lines that were changed, with new hashes throughout."""
    text = b""
    previous = lines[0].previous
    for line in lines:
        line.previous = previous
        encoded = encode(line)
        previous = seal.digest_of(encoded)
        text += encoded + b"\n"
    return text


def forge(path: Path, change: Callable[[list[Line]], Any], seal: Seal) -> None:
    """Write another history, and the head of it."""
    lines = lines_of(path)
    change(lines)
    text = forged(lines, seal)
    path.write_bytes(text)
    last = text.splitlines()[-1]
    head = Head(lines[-1].sequence, seal.digest_of(last))
    path.with_name("audit.jsonl.head").write_bytes(seal.spell(head))


def rename(lines: list[Line]) -> None:
    lines[1].command = "query-status"


def drop_the_end(lines: list[Line]) -> None:
    del lines[2:]


@pytest.mark.parametrize("change", [rename, drop_the_end])
@pytest.mark.parametrize("key", [b"", OTHER], ids=["hashes", "another-key"])
def test_who_has_not_the_key_can_write_no_other_history(
    path: Path, change: Callable[[list[Line]], Any], key: bytes
) -> None:
    forge(path, change, Seal(key))
    assert fault_of(path) == "the head"


def test_without_a_key_the_same_is_not_noticed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, b"")
    forge(path, rename, Seal())
    assert fault_of(path, b"") == ""


def test_a_head_cannot_be_made_of_the_code_of_a_line(path: Path) -> None:
    head, seal = path.with_name("audit.jsonl.head"), Seal(KEY)
    code = lines_of(path)[2].previous  # what proves line 2, for all to read
    head.write_bytes(seal.spell(Head(2, code)).replace(b"0", b"1"))
    assert fault_of(path) == "the head"


def test_a_line_that_is_changed_contradicts_the_next(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"z"'))
    seal, lines = Seal(KEY), path.read_bytes().splitlines()
    assert fault_of(path) == f"3: previous {seal.digest_of(lines[1])}"


@pytest.mark.parametrize(
    ("begun", "key", "told"),
    [
        (KEY, b"", "it was begun with another key"),
        (KEY, OTHER, "it was begun with another key"),
        (b"", KEY, "it was begun with no key"),
    ],
    ids=["none", "another", "new"],
)
def test_an_audit_goes_on_by_the_key_that_it_was_begun_with_only(
    tmp_path: Path, begun: bytes, key: bytes, told: str
) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, begun)
    before = path.read_bytes()
    with pytest.raises(AuditError, match=told):
        AuditFile(path, key=key)
    assert path.read_bytes() == before


def test_lines_by_hashes_alone_are_none_by_a_key(path: Path) -> None:
    kept = path.with_name("audit.jsonl.head").read_bytes()
    forge(path, rename, Seal())
    path.with_name("audit.jsonl.head").write_bytes(kept)
    assert fault_of(path) == f"2: previous {Seal(KEY).digest_of(first_of(path))}"


@pytest.mark.parametrize("text", [b"", b'{"sequence":3,"sha256":"0"}\n'], ids=len)
def test_a_head_that_is_gone_or_anothers_is_told_in_the_chain(
    path: Path, text: bytes
) -> None:
    path.with_name("audit.jsonl.head").write_bytes(text)
    with silenced("qmpx.gateway"):
        write(path, commands=("c",))
    assert [line.kind for line in lines_of(path)][-2:] == ["missing", "intent"]
    assert fault_of(path) == "4: the lines before this one"


def test_a_key_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\r\n")
    file.chmod(0o600)
    assert read_key(file) == KEY


@pytest.mark.parametrize(
    ("data", "mode", "told"),
    [
        (KEY, 0o640, "others can use this key; expected mode 0600"),
        (KEY[:-1] + b"\n", 0o600, f"expected a key of {MIN_KEY} to {MAX_KEY} bytes"),
        (b"x" * (MAX_KEY + 1), 0o600, "expected a key of"),
        (None, 0, "No such file"),
    ],
    ids=["others", "short", "long", "absent"],
)
def test_what_is_no_key_is_refused(
    tmp_path: Path, data: bytes | None, mode: int, told: str
) -> None:
    file = tmp_path / "key"
    if data is not None:
        file.write_bytes(data)
        file.chmod(mode)
    with pytest.raises(AuditError, match=told):
        read_key(file)
