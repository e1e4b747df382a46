"""Prometheus's listener: it answers scrapes, and survives everything else."""

from __future__ import annotations

import gc
import http.client
import socket
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from qmpx.errors import AddressError
from qmpx.gateway.metrics import scraping
from qmpx.gateway.metrics.scraping import MAX_REQUEST, Scraping
from qmpx.transport.address import TcpAddress, parse_listen_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.core import Metric

SECONDS = 10.0


class One(Collector):
    """One figure, and more if asked."""

    def __init__(self, more: int = 0) -> None:
        self.more = more

    def collect(self) -> Iterator[Metric]:
        """Yield it, and name the thread that asks."""
        self.thread = threading.current_thread().name
        gauge = GaugeMetricFamily("one", "One.", labels=["a"])
        gauge.add_metric(["b"], 1)
        for number in range(self.more):
            gauge.add_metric([f"c{number}"], number)
        yield gauge


@pytest.fixture
def serving() -> Iterator[Scraping]:
    """Serve one figure on loopback."""
    with Scraping(One(), [parse_listen_address("tcp:127.0.0.1:0")]) as scraping:
        yield scraping


def place_of(scraping: Scraping) -> tuple[str, int]:
    """Return host and port."""
    (address,) = scraping.addresses
    assert isinstance(address, TcpAddress)
    return address.host, address.port


def exchange(scraping: Scraping, said: bytes) -> bytes:
    """Send bytes, and return all that is answered."""
    with socket.create_connection(place_of(scraping), SECONDS) as sock:
        sock.sendall(said)
        heard = b""
        try:
            while data := sock.recv(1 << 16):
                heard += data
        except ConnectionResetError:
            pass
        return heard


def test_a_scrape_gets_the_figures(serving: Scraping) -> None:
    for accept, kind in (
        ("", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ):
        connection = http.client.HTTPConnection(*place_of(serving), timeout=SECONDS)
        connection.request("GET", "/metrics?x=1", headers={"Accept": accept})
        reply = connection.getresponse()
        assert reply.status == 200
        assert str(reply.headers["Content-Type"]).startswith(kind)
        assert b'one{a="b"} 1.0\n' in reply.read()
        connection.close()


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"HEAD /metrics HTTP/1.1\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"{}\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"\xff\x00\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST * 2, b""),
    ],
)
def test_what_is_no_scrape_is_refused(
    serving: Scraping, said: bytes, begins: bytes
) -> None:
    heard = exchange(serving, said)
    assert heard.startswith(begins)
    if said.startswith(b"HEAD") or not begins:
        assert heard.endswith(b"\r\n\r\n" if begins else b"")
    assert exchange(serving, b"GET /metrics HTTP/1.1\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_who_says_nothing_is_given_up(
    serving: Scraping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "REQUEST_TIMEOUT", 0.05)
    assert exchange(serving, b"GET /met") == b""


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [10, 230, 250, 270, 1000])
def test_a_scrape_of_any_size_is_whole(
    tmp_path: Path, kilobytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Some fit into the socket, some into what is kept beside it, some into neither.
    count = kilobytes * 50
    place = tmp_path / "m"
    with Scraping(One(count), [parse_listen_address(f"unix:{place}")]):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(str(place))
            sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert sock.recv(1, socket.MSG_PEEK)
            heard = b""
            while data := sock.recv(1 << 20):
                heard += data
        gc.collect()
    assert heard.count(b"\none{") == count + 1
    assert not caplog.records


def test_it_runs_in_a_thread_of_its_own_and_ends(tmp_path: Path) -> None:
    place = tmp_path / "m"
    collector = One()
    with Scraping(collector, [parse_listen_address(f"unix:{place}")]):
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        with (
            socket.socket(socket.AF_UNIX) as sock,
            socket.socket(socket.AF_UNIX) as idle,
        ):
            for each in (idle, sock):
                each.settimeout(SECONDS)
                each.connect(str(place))
            sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert sock.recv(15) == b"HTTP/1.1 200 OK"
        assert collector.thread == "qmpx-metrics"
    assert not place.exists()
    assert "qmpx-metrics" not in [each.name for each in threading.enumerate()]


def test_a_place_that_cannot_be_had_is_an_error() -> None:
    with (
        pytest.raises(AddressError, match="others could reach it"),
        Scraping(One(), [parse_listen_address("tcp:0.0.0.0:0")]),
    ):
        pass
