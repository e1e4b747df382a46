"""Metrics and spans for the members of a gateway, while these come and go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from qmpx.errors import AddressError
from qmpx.gateway.daemon.member import Member
from qmpx.gateway.host.systemd import resolve
from qmpx.gateway.metrics.counts import Counts
from qmpx.gateway.metrics.guest_series import GuestSeries
from qmpx.gateway.metrics.tracing import Spans, Tracing
from qmpx.gateway.settings.process import MetricsSettings, TracingSettings
from qmpx.transport.address import parse_listen_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qmpx.gateway.metrics.exposition import Counted, GatewayCollector
    from qmpx.gateway.metrics.scraping import Scraping


class Instruments:
    """What observes the members of a gateway.

    Args:
        metrics: What Prometheus reads, and where.
        tracing: Whether there are spans.
        handed: The sockets of systemd's, by name.

    Attributes:
        metrics: What Prometheus reads now, and where.
        tracing: What makes spans; ``None``: there are none.
        counted: What is told of each member, by its name.

    Raises:
        AddressError: A library is missing, or it cannot be listened on, and why.
    """

    def __init__(
        self,
        metrics: MetricsSettings,
        tracing: TracingSettings,
        handed: "Mapping[str, list[int]]",
    ) -> None:
        self.metrics = metrics
        self.tracing: Tracing | None = None
        self.counted: dict[str, Counted] = {}
        self._handed = handed
        self._tracing_settings = tracing
        self._attached: list[Attachment] = []
        self._scraping: Scraping | None = None
        try:
            self.tracing = _tracing(tracing)
            self._scraping = self._listen(metrics)
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self) -> list[str]:
        """Where Prometheus reads, ports filled in."""
        scraping = self._scraping
        return [] if scraping is None else list(map(str, scraping.addresses))

    def attach(self, member: Member) -> None:
        """Observe a member from now on."""
        attachment = Attachment(self, member)
        self._attached.append(attachment)
        member.attached.append(attachment)

    def detached(self, attachment: "Attachment") -> None:
        """Note that a member is gone."""
        self._attached.remove(attachment)

    @contextlib.asynccontextmanager
    async def adapting(
        self, metrics: MetricsSettings, tracing: TracingSettings
    ) -> AsyncIterator[None]:
        """Observe by other settings when the block ends, if it ends well.

        What is counted stays, unless nothing is to be any more.

        Args:
            metrics: What Prometheus is to read, and where.
            tracing: Whether there are to be spans.

        Raises:
            AddressError: A library is missing, or it cannot be listened on, and why.
        """
        places = metrics.listen, metrics.allow_remote
        moves = places != (self.metrics.listen, self.metrics.allow_remote)
        retraces = tracing != self._tracing_settings
        made: Tracing | None = None
        scraping: Scraping | None = None
        try:
            if retraces:
                made = await asyncio.to_thread(_tracing, tracing)
            if moves:
                scraping = await asyncio.to_thread(self._listen, metrics)
            yield
        except BaseException:
            await asyncio.to_thread(_close, scraping, made)
            raise
        was: Scraping | None = None
        before: Tracing | None = None
        if moves:
            was, self._scraping = self._scraping, scraping
        if retraces:
            before, self.tracing = self.tracing, made
        self.metrics, self._tracing_settings = metrics, tracing
        for each in list(self._attached):
            await each.adapt()
        await asyncio.to_thread(_close, was, before)

    def close(self) -> None:
        """Let nobody read any more, and hand over the last spans.

        It may take some seconds, if who gets the spans does not answer: not in the
        loop's thread.
        """
        _close(self._scraping, self.tracing)

    def _listen(self, metrics: MetricsSettings) -> "Scraping | None":
        if not metrics.listen:
            return None
        collector, scraping = _prometheus(metrics)
        places = resolve(metrics.listen, self._handed)
        return scraping(
            collector(self.counted),
            [parse_listen_address(each) for each in places],
            allow_remote=metrics.allow_remote,
        ).__enter__()


class Attachment:
    """What is counted and traced of one member, until it ends.

    Args:
        instruments: What it is of.
        member: The member.
    """

    def __init__(self, instruments: Instruments, member: Member) -> None:
        self._instruments = instruments
        self._member = member
        self._counts: Counts | None = None
        self._guest: GuestSeries | None = None
        self._spans: Spans | None = None
        self._told: Counted | None = None
        self._take_up()

    async def adapt(self) -> None:
        """Observe by what is in force now."""
        observers = self._member.monitor.observers
        if self._guest is not None:
            await self._guest.close()
        if self._spans is not None:
            observers.remove(self._spans)
            self._spans = None
        if self._counts is not None and not self._instruments.metrics.listen:
            observers.remove(self._counts)
            self._counts = self._guest = None
            self._tell_no_more()
        self._take_up()

    def _take_up(self) -> None:
        member, metrics = self._member, self._instruments.metrics
        observers: list[Any] = member.monitor.observers
        if metrics.listen:
            from qmpx.gateway.metrics.exposition import Counted

            if self._counts is None:
                self._counts = Counts()
                observers.append(self._counts)
            guest = GuestSeries(
                member.monitor.upstream, member.care.watch, metrics.interval
            )
            if self._guest is not None and metrics.guest:
                guest.samples = self._guest.samples
            self._guest = guest
            self._told = Counted(member.monitor, member.care, self._counts, guest)
            self._instruments.counted[member.name] = self._told
            if metrics.guest and member.settings.watch:
                guest.start()
        if self._instruments.tracing is not None:
            self._spans = self._instruments.tracing.observer(member.name)
            observers.append(self._spans)

    async def close(self) -> None:
        """End, with its series, unless another of that name has come."""
        self._instruments.detached(self)
        if self._guest is not None:
            await self._guest.close()
        self._tell_no_more()

    def _tell_no_more(self) -> None:
        counted, name = self._instruments.counted, self._member.name
        if self._told is not None and counted.get(name) is self._told:
            del counted[name]


def _tracing(settings: TracingSettings) -> Tracing | None:
    """Return what makes spans, if they are asked for."""
    return Tracing(settings) if settings.exporter else None


def _close(scraping: "Scraping | None", tracing: Tracing | None) -> None:
    """Let nobody read any more, and hand over the last spans. It may take seconds."""
    if scraping is not None:
        scraping.__exit__()
    if tracing is not None:
        tracing.close()


def check_instruments(metrics: MetricsSettings, tracing: TracingSettings) -> None:
    """Look whether this host has what the settings need.

    Raises:
        AddressError: A library is missing, or there is no such exporter.
    """
    if metrics.listen:
        _prometheus(metrics)
    if (spans := _tracing(tracing)) is not None:
        spans.close()


def _prometheus(
    metrics: MetricsSettings,
) -> "tuple[type[GatewayCollector], type[Scraping]]":
    """Return what needs the library."""
    try:
        from qmpx.gateway.metrics.exposition import GatewayCollector
        from qmpx.gateway.metrics.scraping import Scraping
    except ImportError as error:
        message = (
            f"[metrics] listen = {metrics.listen!r}: prometheus-client is not "
            "installed; install qmpx[gateway]"
        )
        raise AddressError(message) from error
    return GatewayCollector, Scraping
