"""Metrics and spans for the members of a gateway, while these come and go."""

import contextlib
from typing import TYPE_CHECKING, Any

from qmpx.errors import AddressError
from qmpx.gateway.daemon.member import Member
from qmpx.gateway.host.systemd import resolve
from qmpx.gateway.metrics.counts import Counts
from qmpx.gateway.metrics.guest_series import GuestSeries
from qmpx.gateway.metrics.tracing import Tracing
from qmpx.gateway.settings.process import MetricsSettings, TracingSettings
from qmpx.transport.address import parse_listen_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qmpx.gateway.metrics.exposition import Counted


class _Attachment:
    """A member's series, until it ends."""

    def __init__(self, counted: "dict[str, Counted]", name: str) -> None:
        self._counted = counted
        self._name = name
        self._own = counted.get(name)

    async def close(self) -> None:
        """Let them end, unless another of that name has come."""
        if self._own is not None and self._counted.get(self._name) is self._own:
            del self._counted[self._name]


class Instruments:
    """What observes the members of a gateway.

    Args:
        metrics: What Prometheus reads, and where.
        tracing: Whether there are spans.
        handed: The sockets of systemd's, by name.

    Attributes:
        addresses: Where Prometheus reads, ports filled in.

    Raises:
        AddressError: A library is missing, or it cannot be listened on, and why.
    """

    def __init__(
        self,
        metrics: MetricsSettings,
        tracing: TracingSettings,
        handed: "Mapping[str, list[int]]",
    ) -> None:
        self._metrics = metrics
        self._counted: dict[str, Counted] = {}
        self._stack = contextlib.ExitStack()
        self.addresses: list[str] = []
        with contextlib.ExitStack() as stack:
            self._tracing = None
            if tracing.exporter:
                self._tracing = Tracing(tracing)
                stack.callback(self._tracing.close)
            if metrics.listen:
                scraping = stack.enter_context(self._scraping(handed))
                self.addresses = [str(address) for address in scraping.addresses]
            self._stack = stack.pop_all()

    def attach(self, member: Member) -> None:
        """Observe a member from now on."""
        name, observers = member.name, list[Any]()
        if self._metrics.listen:
            from qmpx.gateway.metrics.exposition import Counted

            counts = Counts()
            observers.append(counts)
            guest = GuestSeries(
                member.monitor.upstream, member.care.watch, self._metrics.interval
            )
            member.attached.append(guest)
            counted = Counted(member.monitor, member.care, counts, guest)
            self._counted[name] = counted
            if self._metrics.guest and member.settings.watch:
                guest.start()
        if self._tracing is not None:
            observers.append(self._tracing.observer(name))
        member.monitor.observers += observers
        member.attached.append(_Attachment(self._counted, name))

    def close(self) -> None:
        """Let nobody read any more, and hand over the last spans.

        It may take some seconds, if who gets the spans does not answer: not in the
        loop's thread.
        """
        self._stack.close()

    def _scraping(self, handed: "Mapping[str, list[int]]") -> Any:
        try:
            from qmpx.gateway.metrics.exposition import GatewayCollector
            from qmpx.gateway.metrics.scraping import Scraping
        except ImportError as error:
            message = (
                f"[metrics] listen = {self._metrics.listen!r}: prometheus-client is "
                "not installed; install qmpx[gateway]"
            )
            raise AddressError(message) from error
        places = resolve(self._metrics.listen, handed)
        return Scraping(
            GatewayCollector(self._counted),
            [parse_listen_address(each) for each in places],
            allow_remote=self._metrics.allow_remote,
        )
