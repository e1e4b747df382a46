"""Sockets are found when they come, and missed when they go."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.finding import discovery
from qmpx.gateway.finding.discovery import Discovery, find_sockets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.monitor.conftest import Run


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


class Seen:
    """What a discovery has told, the latest in front of the test."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[list[str]] = asyncio.Queue()

    async def names(self) -> list[str]:
        """Wait for the next word; return the names."""
        return [path.rpartition("/")[2] for path in await self.told.get()]


def test_only_sockets_that_match_are_found(directory: Path) -> None:
    for name in ("b.sock", "a.sock", "other"):
        make_socket(directory / name)
    (directory / "file.sock").write_text("")
    (directory / "gone.sock").symlink_to(directory / "nothing")
    found = find_sockets(f"{directory}/*.sock")
    assert found == [f"{directory}/a.sock", f"{directory}/b.sock"]


@pytest.mark.parametrize("way", ["inotify", "looks"])
def test_they_come_and_go(run: Run, directory: Path, way: str) -> None:
    async def main() -> None:
        seen = Seen()
        is_watched = way == "inotify"
        make_socket(directory / "a")
        looking = Discovery(
            f"{directory}/*",
            str(directory) if is_watched else "",
            seen.told.put_nowait,
            pause=3600.0 if is_watched else 0.01,
        )
        looking.start()
        assert looking.is_watching == is_watched
        assert await seen.names() == ["a"]
        make_socket(directory / "b")
        assert await seen.names() == ["a", "b"]
        (directory / "a").unlink()
        assert await seen.names() == ["b"]
        (directory / "b").rename(directory / "c")
        assert await seen.names() == ["c"]
        await looking.close()

    run(main())


def test_a_directory_that_comes_later_or_anew_is_watched(
    run: Run, directory: Path
) -> None:
    async def main() -> None:
        seen = Seen()
        place = directory / "vm"
        looking = Discovery(f"{place}/*", str(place), seen.told.put_nowait, pause=0.01)
        looking.start()

        def is_watched() -> bool:
            return looking.is_watching

        for _ in range(2):
            assert not is_watched()
            place.mkdir()
            while not is_watched():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
            make_socket(place / "a")
            assert await seen.names() == ["a"]
            (place / "a").unlink()
            assert await seen.names() == []
            place.rmdir()
            while is_watched():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        await looking.close()

    run(main())


def test_more_than_there_may_be_are_left_out(
    run: Run,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        for name in "abc":
            make_socket(directory / name)
        seen = Seen()
        looking = Discovery(f"{directory}/*", "", seen.told.put_nowait)
        looking.start()
        assert await seen.names() == ["a", "b"]
        await looking.close()

    monkeypatch.setattr(discovery, "MAX_FOUND", 2)
    run(main())
    assert "3 sockets; those beyond 2 are left out" in caplog.text
