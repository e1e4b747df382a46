"""Typed calls of the bindings that qmpx ships, against a real QEMU of another release.

More than sixty commands, jobs and events among them. That the bindings are newer than
the QEMU is on purpose: what one of them does not know is no obstacle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import qmpx
from qmpx.qapi.bindings import qemu_9_2 as qapi
from qmpx.qapi.call import Call
from tests.loop_thread import SECONDS
from tests.peers.conftest import running_qemu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.conftest import Qemu
    from tests.peers.faces import Face

    Connect = Callable[..., Face]

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

UNMAP = qapi.BlockdevDiscardOptions.UNMAP

ARGUMENTS = [
    *("-machine", "pc", "-m", "32"),
    *("-blockdev", '{"driver":"null-co","node-name":"null0","size":1048576}'),
    *("-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-cd,id=cd0,bus=scsi0.0"),
    *("-object", "iothread,id=iot0", "-chardev", "ringbuf,id=ring0,size=16"),
    *("-device", "virtio-balloon-pci,id=balloon0"),
]


@pytest.fixture(scope="module")
def machine() -> Iterator[Qemu]:
    """Run one QEMU for all tests: they leave nothing behind."""
    with running_qemu(ARGUMENTS, 1, "off") as started:
        yield started


@pytest.fixture
def run(machine: Qemu, connect: Connect) -> Callable[[Call[Any]], Any]:
    """Run a call with one of the clients."""
    vm = connect(machine.qmp)
    return lambda call: vm.call("run", call)


QUERIES: list[tuple[Call[Any], type]] = [
    (qapi.query_status(), qapi.StatusInfo),
    (qapi.query_version(), qapi.VersionInfo),
    (qapi.query_name(), qapi.NameInfo),
    (qapi.query_uuid(), qapi.UuidInfo),
    (qapi.query_kvm(), qapi.KvmInfo),
    (qapi.query_target(), qapi.TargetInfo),
    (qapi.query_current_machine(), qapi.CurrentMachineParams),
    (qapi.query_machines(), qapi.MachineInfo),
    (qapi.query_commands(), qapi.CommandInfo),
    (qapi.query_command_line_options(), qapi.CommandLineOptionInfo),
    (qapi.query_cpu_definitions(), qapi.CpuDefinitionInfo),
    (qapi.query_cpus_fast(), qapi.CpuInfoFast_x86_64),
    (qapi.query_hotpluggable_cpus(), qapi.HotpluggableCPU),
    (qapi.query_memory_size_summary(), qapi.MemoryInfo),
    (qapi.query_memdev(), qapi.Memdev),
    (qapi.query_iothreads(), qapi.IOThreadInfo),
    (qapi.query_chardev(), qapi.ChardevInfo),
    (qapi.query_chardev_backends(), qapi.ChardevBackendInfo),
    (qapi.query_mice(), qapi.MouseInfo),
    (qapi.query_pci(), qapi.PciInfo),
    (qapi.query_block(), qapi.BlockInfo),
    (qapi.query_blockstats(query_nodes=True), qapi.BlockStats),
    (qapi.query_named_block_nodes(flat=True), qapi.BlockDeviceInfo),
    (qapi.query_migrate(), qapi.MigrationInfo),
    (qapi.query_migrate_capabilities(), qapi.MigrationCapabilityStatus),
    (qapi.query_migrate_parameters(), qapi.MigrationParameters),
    (qapi.query_balloon(), qapi.BalloonInfo),
    (qapi.query_dump(), qapi.DumpQueryResult),
    (qapi.query_yank(), qapi.YankInstance_chardev),
    (qapi.query_display_options(), qapi.DisplayOptions_none),
    (qapi.query_tpm_models(), qapi.TpmModel),
    (qapi.query_qmp_schema(), msgspec.Struct),
    (qapi.qom_list(path="/machine"), qapi.ObjectPropertyInfo),
    (qapi.qom_list_types(implements="device"), qapi.ObjectTypeInfo),
    (qapi.device_list_properties(typename="e1000"), qapi.ObjectPropertyInfo),
    (qapi.qom_get(path="/machine/peripheral/cd0", property="type"), str),
    (
        qapi.query_cpu_model_expansion(
            type=qapi.CpuModelExpansionType.STATIC,
            model=qapi.CpuModelInfo(name="qemu64"),
        ),
        qapi.CpuModelExpansionInfo,
    ),
    (qapi.human_monitor_command(command_line="info version"), str),
]


@pytest.mark.parametrize(
    ("call", "kind"), QUERIES, ids=[call.name for call, _ in QUERIES]
)
def test_a_query_returns_its_type(
    run: Callable[[Call[Any]], Any], call: Call[Any], kind: type
) -> None:
    got = run(call)
    if isinstance(got, list):
        assert got
        assert all(isinstance(each, kind) for each in got)
    else:
        assert isinstance(got, kind)


def test_what_comes_back_goes_out_again_unchanged(
    machine: Qemu, connect: Connect
) -> None:
    # Whatever this QEMU says, the bindings keep, though they are of another release.
    vm = connect(machine.qmp)
    for call, _ in QUERIES:
        raw = vm.call("execute_raw", call.name, call.arguments)
        read = call.read(raw)
        assert msgspec.json.decode(msgspec.json.encode(read)) == (
            msgspec.json.decode(raw)
        ), call.name


def test_a_refusal_is_qemus_own(run: Callable[[Call[Any]], Any]) -> None:
    with pytest.raises(qmpx.CommandError) as caught:
        run(Call("query-nothing", {}, None))
    assert caught.value.desc == "The command query-nothing has not been found"
    with pytest.raises(qmpx.CommandError, match=r"\.nope' not found"):
        run(qapi.qom_get(path="/machine", property="nope"))


def test_the_machine_is_run_and_paused(machine: Qemu, connect: Connect) -> None:
    vm = connect(machine.qmp)
    events = vm.events(qapi.Stop, qapi.Resume, qapi.Reset)
    vm.call("run", qapi.cont())
    assert isinstance(events.get(SECONDS), qapi.Resume)
    assert vm.call("run", qapi.query_status()).status is qapi.RunState.RUNNING
    vm.call("run", qapi.system_reset())
    reset = events.get(SECONDS)
    assert isinstance(reset, qapi.Reset)
    assert reset.reason is qapi.ShutdownCause.HOST_QMP_SYSTEM_RESET
    vm.call("run", qapi.stop())
    stopped = events.get(SECONDS)
    assert isinstance(stopped, qapi.Stop)
    assert stopped.timestamp >= reset.timestamp > 0
    assert vm.call("run", qapi.query_status()).status is qapi.RunState.PAUSED


def test_objects_and_devices_come_and_go(run: Callable[[Call[Any]], Any]) -> None:
    run(qapi.object_add(qapi.ObjectOptions_iothread(id="iot1", poll_max_ns=5)))
    assert {each.id for each in run(qapi.query_iothreads())} == {"iot0", "iot1"}
    run(qapi.qom_set(path="/objects/iot1", property="poll-max-ns", value=7))
    assert run(qapi.qom_get(path="/objects/iot1", property="poll-max-ns")) == 7
    run(qapi.object_del(id="iot1"))
    run(
        qapi.chardev_add(
            id="null1", backend=qapi.ChardevBackend_null(data=qapi.ChardevCommon())
        )
    )
    assert "null1" in {each.label for each in run(qapi.query_chardev())}
    run(qapi.chardev_remove(id="null1"))
    run(qapi.netdev_add(qapi.Netdev_hubport(id="net1", hubid=1)))
    run(qapi.set_link(name="net1", up=False))
    run(qapi.netdev_del(id="net1"))


def test_a_device_is_plugged_in_and_out(machine: Qemu, connect: Connect) -> None:
    vm = connect(machine.qmp)
    deleted = vm.events(qapi.DeviceDeleted)
    disk = qapi.device_add(driver="scsi-hd", bus="scsi0.0", id="hd1", drive="null0")
    vm.call("run", disk)
    address = qapi.qom_get(path="/machine/peripheral/hd1", property="drive")
    assert vm.call("run", address) == "null0"
    with pytest.raises(qmpx.CommandError, match="Device 'hd2' not found"):
        vm.call("run", qapi.device_del(id="hd2"))
    vm.call("run", qapi.device_del(id="hd1"))
    gone = deleted.get(SECONDS)
    assert (gone.device, gone.path) == ("hd1", "/machine/peripheral/hd1")


def test_bytes_go_through_a_character_device(run: Callable[[Call[Any]], Any]) -> None:
    run(qapi.ringbuf_write(device="ring0", data="hello"))
    assert run(qapi.ringbuf_read(device="ring0", size=16)) == "hello"
    encoded = qapi.ringbuf_write(
        device="ring0", data="aGk=", format=qapi.DataFormat.BASE64
    )
    run(encoded)
    assert run(qapi.ringbuf_read(device="ring0", size=16)) == "hi"


def test_an_image_is_made_attached_grown_and_mirrored(
    machine: Qemu, connect: Connect, tmp_path: Path
) -> None:
    vm = connect(machine.qmp)

    def run(call: Call[Any]) -> Any:
        return vm.call("run", call)

    jobs = vm.events(qapi.JobStatusChange)

    def finish(job: str) -> None:
        while True:
            change = jobs.get(SECONDS)
            if change.id == job and change.status is qapi.JobStatus.CONCLUDED:
                break
        (info,) = run(qapi.query_jobs())
        assert (info.id, info.error) == (job, msgspec.UNSET)
        run(qapi.job_dismiss(id=job))

    def create(job: str, options: qapi.BlockdevCreateOptions) -> None:
        run(qapi.blockdev_create(job_id=job, options=options))
        finish(job)

    for name in ("one", "two"):
        path = str(tmp_path / name)
        create(f"make-{name}", qapi.BlockdevCreateOptions_file(filename=path, size=0))
        run(
            qapi.blockdev_add(
                qapi.BlockdevOptions_file(filename=path, node_name=f"file-{name}")
            )
        )
        create(
            f"format-{name}",
            qapi.BlockdevCreateOptions_qcow2(file=f"file-{name}", size=2**20),
        )
        run(
            qapi.blockdev_add(
                qapi.BlockdevOptions_qcow2(
                    node_name=name,
                    file=f"file-{name}",
                    discard=UNMAP,
                )
            )
        )
    for name in ("one", "two"):
        run(qapi.block_resize(node_name=name, size=2**21))
    nodes = {each.node_name: each for each in run(qapi.query_named_block_nodes())}
    assert nodes["one"].image.virtual_size == 2**21
    assert isinstance(nodes["one"].image.format_specific, qapi.ImageInfoSpecific_qcow2)

    run(qapi.block_dirty_bitmap_add(node="one", name="bits", granularity=65536))
    run(
        qapi.transaction(
            actions=[
                qapi.TransactionAction_block_dirty_bitmap_disable(
                    data=qapi.BlockDirtyBitmap(node="one", name="bits")
                ),
                qapi.TransactionAction_block_dirty_bitmap_clear(
                    data=qapi.BlockDirtyBitmap(node="one", name="bits")
                ),
            ]
        )
    )
    run(qapi.block_dirty_bitmap_remove(node="one", name="bits"))

    ready = vm.events(qapi.BlockJobReady, qapi.BlockJobCompleted)
    run(
        qapi.blockdev_mirror(
            job_id="mirror", device="one", target="two", sync=qapi.MirrorSyncMode.FULL
        )
    )
    is_ready = ready.get(SECONDS)
    assert isinstance(is_ready, qapi.BlockJobReady)
    assert (is_ready.device, is_ready.type) == ("mirror", qapi.JobType.MIRROR)
    (job,) = run(qapi.query_block_jobs())
    assert (job.device, job.ready) == ("mirror", True)
    run(qapi.block_job_set_speed(device="mirror", speed=2**30))
    run(qapi.job_complete(id="mirror"))
    completed = ready.get(SECONDS)
    assert isinstance(completed, qapi.BlockJobCompleted)
    assert completed.len == completed.offset
    for name in ("two", "file-two"):  # the mirror has taken the place of the original
        run(qapi.blockdev_del(node_name=name))
    for name in ("one", "file-one"):
        run(qapi.blockdev_del(node_name=name))
    left = {each.node_name for each in run(qapi.query_named_block_nodes())}
    assert left == {"null0"}


def test_exports_and_throttling_take_nested_objects(
    run: Callable[[Call[Any]], Any], tmp_path: Path
) -> None:
    address = qapi.SocketAddressLegacy_unix(
        data=qapi.UnixSocketAddress(path=str(tmp_path / "nbd"))
    )
    run(qapi.nbd_server_start(addr=address, max_connections=1))
    run(
        qapi.block_export_add(
            qapi.BlockExportOptions_nbd(
                id="exp0", node_name="null0", name="disk", writable=False
            )
        )
    )
    (export,) = run(qapi.query_block_exports())
    assert (export.id, export.type) == ("exp0", qapi.BlockExportType.NBD)
    run(qapi.block_export_del(id="exp0", mode=qapi.BlockExportRemoveMode.HARD))
    run(qapi.nbd_server_stop())


def test_migration_is_set_up(run: Callable[[Call[Any]], Any]) -> None:
    run(qapi.migrate_set_parameters(max_bandwidth=2**20, downtime_limit=100))
    parameters = run(qapi.query_migrate_parameters())
    assert (parameters.max_bandwidth, parameters.downtime_limit) == (2**20, 100)
    events = qapi.MigrationCapability.EVENTS
    run(
        qapi.migrate_set_capabilities(
            capabilities=[qapi.MigrationCapabilityStatus(capability=events, state=True)]
        )
    )
    states = {
        each.capability: each.state for each in run(qapi.query_migrate_capabilities())
    }
    assert states[events] is True


def test_what_this_qemu_supports(machine: Qemu, connect: Connect) -> None:
    vm = connect(machine.qmp)

    def supports(*command: str, **more: str) -> bool:
        answer: bool = vm.call("supports", *command, **more)
        return answer

    assert supports("blockdev-add", argument="driver", value="qcow2")
    assert supports("blockdev-add", argument="file.filename")
    assert not supports("blockdev-add", argument="driver", value="gluster2")
    assert not supports("query-nothing")
    assert supports(event="JOB_STATUS_CHANGE", argument="status", value="concluded")
    assert not supports(event="NETDEV_VHOST_USER_CONNECTED")
    assert supports("drive-backup", feature="deprecated")
    assert supports(feature="dynamic-auto-read-only")
    assert "query-yank" in vm.call("schema").commands
