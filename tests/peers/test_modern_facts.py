"""What there is to know of a machine, and what it refuses: both are asked the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.twins import Twins, shape, twins

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Keep one pair for all rows, in their order."""
    with twins() as pair:
        yield pair


KVM = [{"provider": "kvm"}]
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("query-current-machine", {}),
    ("query-acpi-ospm-status", {}),
    ("query-vm-generation-id", {}),
    ("query-tpm", {}),
    ("query-pr-managers", {}),
    ("rtc-reset-reinjection", {}),
    ("query-replay", {}),
    ("query-memory-size-summary", {}),
    ("query-stats", {}),
    ("query-stats", {"target": "vm"}),
    ("query-stats", {"target": "vcpu", "vcpus": ["/machine/x"]}),
    ("query-stats", {"target": "vm", "vcpus": ["x"]}),
    ("query-stats", {"target": "vm", "providers": KVM}),
    ("query-stats", {"target": "vm", "providers": [{"provider": "x"}]}),
    ("query-stats", {"target": "x"}),
    ("query-stats-schemas", {}),
    ("query-stats-schemas", {"provider": "kvm"}),
    ("query-stats-schemas", {"provider": "x"}),
    ("query-dirty-rate", {}),
    ("calc-dirty-rate", {}),
    ("calc-dirty-rate", {"calc-time": 0}),
    ("calc-dirty-rate", {"calc-time": 61}),
    ("calc-dirty-rate", {"calc-time": 1, "sample-pages": 127}),
    ("query-vcpu-dirty-limit", {}),
    ("set-vcpu-dirty-limit", {"dirty-rate": 1}),
    ("cancel-vcpu-dirty-limit", {}),
    ("inject-nmi", {}),
    ("system_wakeup", {}),
    ("set-action", {}),
    ("set-action", {"reboot": "none"}),
    ("set-action", {"panic": "reset"}),
    ("set-action", {"watchdog": "inject-nmi", "panic": "none", "shutdown": "pause"}),
    ("watchdog-set-action", {"action": "pause"}),
    ("watchdog-set-action", {"action": "x"}),
    ("balloon", {"value": 1048576}),
    ("balloon", {"value": 0}),
    ("query-balloon", {}),
    # what is not there
    ("x-colo-lost-heartbeat", {}),
    ("query-colo-status", {}),
    ("xen-colo-do-checkpoint", {}),
    ("xen-save-devices-state", {"filename": "/nope/x"}),
    ("xen-load-devices-state", {"filename": "/nope/x"}),
    ("xen-load-devices-state", {}),
    ("xen-set-global-dirty-log", {"enable": True}),
    ("xen-set-replication", {"enable": True, "primary": True}),
    ("xen-set-replication", {"enable": True, "primary": True, "failover": True}),
    ("query-xen-replication-status", {}),
    ("x-exit-preconfig", {}),
    ("set-numa-node", {"type": "node"}),
    ("set-numa-node", {"type": "x"}),
    ("query-sev", {}),
    ("query-sev-capabilities", {}),
    ("query-sev-launch-measure", {}),
    ("query-sev-attestation-report", {"mnonce": "a"}),
    ("sev-inject-launch-secret", {"packet-header": "a", "secret": "b"}),
    ("query-sgx", {}),
    ("query-sgx-capabilities", {}),
    ("replay-break", {"icount": 1}),
    ("replay-break", {}),
    ("replay-delete-break", {}),
    ("replay-seek", {"icount": 1}),
    ("dumpdtb", {"filename": "/nope/x"}),
    ("query-rocker", {"name": "x"}),
    ("query-rocker-ports", {"name": "x"}),
    ("query-rocker-of-dpa-flows", {"name": "x"}),
    ("query-rocker-of-dpa-groups", {"name": "x", "type": 1}),
    ("x-query-profile", {}),
    ("query-display-options", {}),
    ("query-spice", {}),
    ("client_migrate_info", {"protocol": "spice", "hostname": "x", "port": 1}),
    ("client_migrate_info", {"protocol": "vnc", "hostname": "x"}),
    ("display-reload", {"type": "vnc"}),
    ("display-reload", {"type": "x"}),
    # tracing
    ("trace-event-get-state", {"name": "nothing"}),
    ("trace-event-get-state", {"name": "nothing*"}),
    ("trace-event-get-state", {"name": "vm_state_notify"}),
    ("trace-event-get-state", {"name": "vm_state*"}),
    ("trace-event-get-state", {"name": "vm_state_notify", "vcpu": 0}),
    ("trace-event-get-state", {"name": "vm_state_notify", "vcpu": 9}),
    ("trace-event-get-state", {"name": "guest_cpu_enter", "vcpu": 0}),
    ("trace-event-set-state", {"name": "nothing", "enable": True}),
    ("trace-event-set-state", {"name": "vm_state_notify", "enable": True}),
    ("trace-event-get-state", {"name": "vm_state_notify"}),
    ("trace-event-set-state", {"name": "vm_state_notify", "enable": False}),
    ("trace-event-get-state", {"name": "vm_state_notify"}),
    ("trace-event-set-state", {"name": "vm_state*", "enable": True, "vcpu": 0}),
    ("trace-event-set-state", {"name": "x"}),
]


@pytest.mark.parametrize(("name", "arguments"), ROWS, ids=str)
def test_both_answer_alike(both: Twins, name: str, arguments: dict[str, Any]) -> None:
    assert both.ours.run(name, arguments) == both.theirs.run(name, arguments)


def test_dirty_memory_is_measured_alike() -> None:
    with twins() as pair:
        theirs, ours = pair.run("calc-dirty-rate", calc_time=1)
        assert ours == theirs == [{"return": {}}]
        for talk in (pair.theirs, pair.ours):  # QEMU's thread takes its time to begin
            while talk.run("query-dirty-rate")[0]["return"]["status"] == "unstarted":
                pass
        theirs, ours = pair.run("calc-dirty-rate", calc_time=0)
        assert ours == theirs
        heard = []
        for talk in (pair.theirs, pair.ours):
            (told,) = talk.run("query-dirty-rate")
            while told["return"]["status"] != "measured":
                (told,) = talk.run("query-dirty-rate")
            heard.append(told["return"])
        assert shape(heard[1]) == shape(heard[0])
        assert heard[1] | {"start-time": 0} == heard[0] | {"start-time": 0}


def test_nothing_is_plugged_in_where_there_is_nothing() -> None:
    with twins("-machine", "none") as pair:
        for name in ("query-memory-devices", "query-fdsets", "query-iothreads"):
            theirs, ours = pair.run(name)
            assert ours == theirs
