"""The files of an audit: whatever ends the process, the chain goes on and says so."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qmpx.gateway.audit.chain import AuditError, Line, digest_of, read_head
from qmpx.gateway.audit.file import MAX_UNWRITTEN, AuditFile
from qmpx.gateway.audit.verifying import Verifier
from qmpx.gateway.host.times import stamp
from tests.loops import silenced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def a_line(command: str = "stop") -> Line:
    return Line(0, "", "", "intent", "vm", command=command)


def lines_of(*paths: Path) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(line)
        for path in paths
        for line in path.read_bytes().splitlines()
    ]


def verified(*paths: Path) -> Verifier:
    """Hold the files against each other and the head; return what did."""
    verifier = Verifier()
    head = read_head(paths[-1].with_name("audit.jsonl.head").read_bytes())
    assert head is not None
    verifier.expect(head)
    for each in paths:
        with each.open("rb") as file:
            assert verifier.read(each.name, file) is None
    assert verifier.missing() == ""
    return verifier


def test_a_new_file_begins_with_a_genesis_that_names_it(path: Path) -> None:
    with closing(AuditFile(path, clock=lambda: 1_000_005_000)):
        assert lines_of(path) == [
            {
                "sequence": 1,
                "time": stamp(1.000005),
                "previous": "0" * 64,
                "kind": "genesis",
                "more": {"file": "audit.jsonl", "pid": os.getpid()},
            }
        ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_announced_is_written_when_it_returns(path: Path) -> None:
    with closing(AuditFile(path)) as audit:
        assert audit.announce(a_line()) == 2
        assert [line["kind"] for line in lines_of(path)] == ["genesis", "intent"]
        assert verified(path).head == audit.head


def test_what_is_told_is_written_in_its_order(path: Path) -> None:
    with closing(AuditFile(path)) as audit:
        audit.tell(a_line("one"))
        audit.tell(a_line("two"))
        assert len(lines_of(path)) == 1
        audit.announce(a_line("three"))
        commands = [line.get("command") for line in lines_of(path)]
        assert commands == [None, "one", "two", "three"]
    verified(path)


def test_no_time_is_that_of_the_line_before_or_earlier(path: Path) -> None:
    clock = iter([5_000_000, 5_000_000, 1_000_000, 6_000_000])
    with closing(AuditFile(path, clock=lambda: next(clock))) as audit:
        for _ in range(3):
            audit.announce(a_line())
    times = [line["time"] for line in lines_of(path)]
    assert times == [stamp(micro / 1e6) for micro in (5000, 5001, 5002, 6000)]
    verified(path)


def test_the_chain_goes_on_when_it_is_opened_again(path: Path) -> None:
    for _ in range(3):
        with closing(AuditFile(path)) as audit:
            audit.announce(a_line())
    assert [line["kind"] for line in lines_of(path)] == ["genesis", *["intent"] * 3]
    verified(path)


def test_it_goes_on_in_another_file_when_one_is_full(path: Path) -> None:
    with closing(AuditFile(path, max_size=600)) as audit:
        for _ in range(10):
            audit.announce(a_line())
    parts = sorted(path.parent.glob("audit.jsonl.[0-9]*"))
    assert len(parts) > 1
    assert verified(*parts, path).lines == 11 + len(parts)
    first, *_ = lines_of(parts[1])
    assert first["kind"] == "continued"
    assert first["more"] == {"file": "audit.jsonl", "from": "audit.jsonl.1"}
    alone = Verifier()
    with parts[1].open("rb") as file:
        assert alone.read("part", file) is None
    assert alone.first == first["sequence"]


def test_only_so_many_earlier_files_are_kept(path: Path) -> None:
    with closing(AuditFile(path, max_size=600, keep=2)) as audit:
        for _ in range(20):
            audit.announce(a_line())
    kept = sorted(path.parent.glob("audit.jsonl.[0-9]*"))
    assert len(kept) == 2
    verified(*kept, path)


def test_a_file_that_was_about_to_be_begun_goes_on_where_the_last_ended(
    path: Path,
) -> None:
    with closing(AuditFile(path)) as audit:
        audit.announce(a_line())
    earlier = path.with_name("audit.jsonl.1")
    path.rename(earlier)  # and then it was killed
    with closing(AuditFile(path)) as audit:
        audit.announce(a_line())
    assert [line["kind"] for line in lines_of(path)] == ["continued", "intent"]
    verified(earlier, path)


def test_it_goes_on_in_the_same_file_while_no_new_one_can_be_begun(path: Path) -> None:
    with silenced("qmpx.gateway"), closing(AuditFile(path, max_size=600)) as audit:
        obstacle = path.with_name("audit.jsonl.1")
        obstacle.mkdir()
        for _ in range(10):
            audit.announce(a_line())
        assert verified(path).lines == 11
        obstacle.rmdir()
        audit.announce(a_line())
        audit.announce(a_line())
    assert verified(obstacle, path).lines == 14


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{" * (3 << 20), "there is no whole line at its end"),
        (b'{"a": 1}\n{', "its last line is none of an audit"),
    ],
)
def test_what_is_torn_and_no_audit_is_left_alone(
    path: Path, text: bytes, problem: str
) -> None:
    path.write_bytes(text)
    with pytest.raises(AuditError, match=problem):
        AuditFile(path)
    assert path.read_bytes() == text


def test_an_earlier_file_is_whole(path: Path) -> None:
    with closing(AuditFile(path)):
        pass
    path.rename(path.with_name("audit.jsonl.1"))
    with path.with_name("audit.jsonl.1").open("ab") as file:
        file.write(b"{")
    with pytest.raises(AuditError, match="1 bytes without an end, in an earlier file"):
        AuditFile(path)


@pytest.mark.parametrize("torn", [b"{", b'{"sequence":3,"time":"20', b"\0" * 50])
def test_a_torn_line_is_kept_aside_and_told_of(path: Path, torn: bytes) -> None:
    with closing(AuditFile(path)) as audit:
        audit.announce(a_line())
    with path.open("ab") as file:
        file.write(torn)
    with silenced("qmpx.gateway"), closing(AuditFile(path)) as audit:
        audit.announce(a_line())
    aside = path.with_name("audit.jsonl.torn-2")
    assert aside.read_bytes() == torn
    told = lines_of(path)[2]
    assert told["kind"] == "torn"
    assert told["more"] == {
        "file": aside.name,
        "bytes": len(torn),
        "sha256": digest_of(torn),
    }
    verified(path)


def test_a_torn_line_is_told_of_also_if_it_was_put_aside_before_a_crash(
    path: Path,
) -> None:
    with closing(AuditFile(path)) as audit:
        audit.announce(a_line())
    path.with_name("audit.jsonl.torn-2").write_bytes(b"{")
    with silenced("qmpx.gateway"), closing(AuditFile(path)):
        pass
    assert [line["kind"] for line in lines_of(path)] == ["genesis", "intent", "torn"]
    with closing(AuditFile(path)):
        pass
    assert len(lines_of(path)) == 3


def test_a_first_line_that_is_torn_is_told_of(path: Path) -> None:
    path.write_bytes(b'{"sequ')
    with silenced("qmpx.gateway"), closing(AuditFile(path)):
        pass
    assert [line["kind"] for line in lines_of(path)] == ["genesis", "torn"]
    verified(path)


def test_lines_that_are_gone_are_told_of(path: Path) -> None:
    with closing(AuditFile(path)) as audit:
        for _ in range(3):
            audit.announce(a_line())
    kept = path.read_bytes().splitlines(keepends=True)[:2]
    path.write_bytes(b"".join(kept))
    with silenced("qmpx.gateway"), closing(AuditFile(path)):
        pass
    told = lines_of(path)[-1]
    assert (told["kind"], told["more"]["sequence"]) == ("missing", 4)
    with path.open("rb") as file:
        problem = Verifier().read("it", file)
    assert str(problem) == (
        "it:3: expected the lines before this one, found the lines up to 4 were here, "
        "and are gone"
    )


def test_another_process_cannot_write_it_meanwhile(path: Path) -> None:
    with (
        closing(AuditFile(path)),
        pytest.raises(AuditError, match="another process writes this audit"),
    ):
        AuditFile(path)


@pytest.mark.parametrize("text", [b"hello\n", b"{}\n", b'{"sequence": 1}\n'])
def test_what_is_no_audit_is_left_alone(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(AuditError, match="its last line is none of an audit"):
        AuditFile(path)
    assert path.read_bytes() == text


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="No such file or directory"):
        AuditFile(tmp_path / "none" / "audit.jsonl")


@contextmanager
def full_disk(file: Path, room: int = 0) -> Iterator[None]:
    """Let no file of this process become larger: as a disk that is full.

    Args:
        file: As large as it is.
        room: And so many bytes.
    """
    size = file.stat().st_size + room
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 1, 100])
def test_what_cannot_be_written_is_refused_and_not_in_the_chain(
    path: Path, room: int
) -> None:
    with silenced("qmpx.gateway"), closing(AuditFile(path)) as audit:
        audit.announce(a_line("before"))
        with full_disk(path, room):
            for _ in range(2):
                with pytest.raises(AuditError, match="cannot be written: File too"):
                    audit.announce(a_line("never"))
            audit.tell(a_line("later"))
            assert audit.failure == "File too large"
        audit.announce(a_line("after"))
        assert audit.failure == ""
    commands = [line.get("command") for line in lines_of(path)]
    assert commands == [None, "before", "later", "after"]
    verified(path)


def test_what_is_lost_is_counted_in_the_chain(path: Path) -> None:
    with silenced("qmpx.gateway"), closing(AuditFile(path)) as audit:
        with full_disk(path):
            large = "x" * 1000
            count = 2 * MAX_UNWRITTEN // 1000
            for _ in range(count):
                audit.tell(a_line(large))
        lost = audit.lost
        assert 0 < lost < count
        audit.announce(a_line())
        audit.announce(a_line())
    told = [line for line in lines_of(path) if line["kind"] == "lost"]
    assert [line["more"] for line in told] == [{"lines": lost}]
    assert len(lines_of(path)) == 1 + count - lost + 3
    verified(path)
