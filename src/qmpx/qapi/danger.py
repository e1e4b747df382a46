"""What each command may do to a machine and to its host: one table for all who ask.

The profiles of the gateway and the documentation follow from it. It holds every command
of QEMU 6.2 to 9.2 and what is known of later ones, those of the guest agent, and lines
of the human monitor. What it does not hold may do anything.

Source: read off the documentation of each command in QEMU's schema files, and observed
on QEMU 7.2: ``qom-get`` returns what a ``secret`` object holds, ``ringbuf-read`` takes
what it reads.
"""

import enum
from typing import Final, NamedTuple


class Danger(enum.StrEnum):
    """How much harm a command can do; each is worse than the one before."""

    READ = "R1"
    """Reads, cheaply, what gives nobody away."""

    LEAK = "R2"
    """Reads what is confidential (file names, addresses, consoles), or at a cost."""

    CONTROL = "C1"
    """Changes what another command changes back."""

    LOSS = "C2"
    """May lose the guest's state or data."""

    HOST = "X"
    """Reaches the host or the guest's memory: as good as a shell, in the end."""


class Area(enum.StrEnum):
    """What of a machine a command is about."""

    MACHINE = "machine"
    STORAGE = "storage"
    DEVICES = "devices"
    GUEST = "guest"


class Hazard(NamedTuple):
    """What is known of one command.

    Attributes:
        danger: How much harm it can do.
        area: What it is about.
    """

    danger: Danger
    area: Area = Area.MACHINE


def _rows(danger: Danger, area: Area, names: str) -> dict[str, Hazard]:
    return {name: Hazard(danger, area) for name in names.split()}


HAZARDS: Final[dict[str, Hazard]] = (
    _rows(
        Danger.READ,
        Area.MACHINE,
        """
        query-version query-status query-name query-uuid query-target query-kvm
        query-accelerators query-commands query-qmp-schema query-cpus-fast
        query-hotpluggable-cpus query-cpu-definitions query-machines
        query-current-machine query-memory-size-summary query-memory-devices
        query-memdev query-balloon query-hv-balloon-status-report query-iothreads
        query-migrate query-migrate-capabilities query-migrate-parameters
        query-migrationthreads query-dirty-rate query-vcpu-dirty-limit query-dump
        query-dump-guest-memory-capability query-display-options query-mice
        query-tpm query-tpm-models query-tpm-types query-stats query-stats-schemas
        query-replay query-sgx query-sgx-capabilities query-sev query-sev-capabilities
        query-vm-generation-id query-acpi-ospm-status query-yank query-colo-status
        query-xen-replication-status query-command-line-options query-gic-capabilities
        query-s390x-cpu-polarization query-cryptodev trace-event-get-state
        xen-event-list qmp_capabilities
        """,
    )
    | _rows(
        Danger.READ,
        Area.STORAGE,
        "query-jobs query-block-jobs query-blockstats query-pr-managers",
    )
    | _rows(
        Danger.READ,
        Area.DEVICES,
        """
        query-chardev-backends query-pci query-rocker query-rocker-ports
        query-rocker-of-dpa-flows query-rocker-of-dpa-groups qom-list-types
        qom-list-properties device-list-properties
        """,
    )
    | _rows(
        Danger.LEAK,
        Area.MACHINE,
        """
        query-fdsets query-vnc query-vnc-servers query-spice
        query-cpu-model-expansion query-cpu-model-baseline query-cpu-model-comparison
        query-sev-launch-measure query-sev-attestation-report
        x-query-interrupt-controllers x-query-irq x-query-jit x-query-numa
        x-query-opcount x-query-profile x-query-ramblock x-query-rdma x-query-roms
        x-query-usb x-query-virtio x-query-virtio-queue-element
        x-query-virtio-queue-status x-query-virtio-status
        x-query-virtio-vhost-queue-status
        """,
    )
    | _rows(
        Danger.LEAK,
        Area.STORAGE,
        """
        query-block query-named-block-nodes query-block-exports
        x-debug-query-block-graph x-debug-block-dirty-bitmap-sha256
        """,
    )
    | _rows(
        Danger.LEAK,
        Area.DEVICES,
        """
        query-chardev query-rx-filter query-audiodevs qom-list qom-get ringbuf-read
        """,
    )
    | _rows(
        Danger.CONTROL,
        Area.MACHINE,
        """
        stop cont system_powerdown system_wakeup balloon send-key input-send-event
        rtc-reset-reinjection watchdog-set-action set-action set-vcpu-dirty-limit
        cancel-vcpu-dirty-limit calc-dirty-rate expire_password migrate_cancel
        migrate-pause trace-event-set-state abort
        """,
    )
    | _rows(
        Danger.CONTROL,
        Area.STORAGE,
        """
        block-job-set-speed job-pause job-resume block-job-pause block-job-resume
        block_set_io_throttle block-set-write-threshold block-latency-histogram-set
        """,
    )
    | _rows(Danger.CONTROL, Area.DEVICES, "set_link announce-self")
    | _rows(
        Danger.LOSS,
        Area.MACHINE,
        """
        system_reset quit inject-nmi yank remove-fd closefd replay-break
        replay-delete-break replay-seek xen-set-global-dirty-log xen-set-replication
        xen-colo-do-checkpoint xen-event-inject x-colo-lost-heartbeat set-cpu-topology
        """,
    )
    | _rows(
        Danger.LOSS,
        Area.STORAGE,
        """
        eject blockdev-open-tray blockdev-close-tray blockdev-remove-medium
        blockdev-del job-cancel job-complete job-finalize job-dismiss block-job-cancel
        block-job-complete block-job-finalize block-job-dismiss block-job-change
        block-commit block-stream block_resize snapshot-load snapshot-delete
        snapshot-save blockdev-snapshot blockdev-snapshot-internal-sync
        blockdev-snapshot-delete-internal-sync block-dirty-bitmap-add
        block-dirty-bitmap-remove block-dirty-bitmap-clear block-dirty-bitmap-merge
        block-dirty-bitmap-enable block-dirty-bitmap-disable block-export-del
        nbd-server-remove nbd-server-stop
        """,
    )
    | _rows(
        Danger.LOSS,
        Area.DEVICES,
        """
        device_del netdev_del object-del chardev-remove ringbuf-write
        chardev-send-break device-sync-config cxl-inject-correctable-error
        cxl-inject-dram-event cxl-inject-general-media-event
        cxl-inject-memory-module-event cxl-inject-poison
        cxl-inject-uncorrectable-errors cxl-add-dynamic-capacity
        cxl-release-dynamic-capacity
        """,
    )
    | _rows(
        Danger.HOST,
        Area.MACHINE,
        """
        human-monitor-command migrate migrate-incoming migrate-recover
        migrate-set-parameters migrate-set-capabilities migrate-continue
        migrate-start-postcopy client_migrate_info dump-guest-memory pmemsave memsave
        screendump dumpdtb dump-skeys xen-save-devices-state xen-load-devices-state
        getfd add-fd add_client get-win32-socket set_password change-vnc-password
        display-reload display-update sev-inject-launch-secret set-numa-node
        x-exit-preconfig request-ebpf monitor-add
        """,
    )
    | _rows(
        Danger.HOST,
        Area.STORAGE,
        """
        blockdev-add blockdev-create blockdev-reopen blockdev-change-medium
        blockdev-insert-medium change-backing-file blockdev-snapshot-sync
        drive-backup drive-mirror blockdev-backup blockdev-mirror x-blockdev-amend
        x-blockdev-change x-blockdev-set-iothread nbd-server-start nbd-server-add
        block-export-add transaction
        """,
    )
    | _rows(
        Danger.HOST,
        Area.DEVICES,
        """
        object-add device_add netdev_add chardev-add chardev-change qom-set
        qom-list-get
        """,
    )
    | _rows(
        Danger.READ,
        Area.GUEST,
        """
        guest-ping guest-info guest-sync guest-sync-delimited guest-get-osinfo
        guest-get-host-name guest-get-time guest-get-timezone guest-get-users
        guest-get-vcpus guest-get-memory-blocks guest-get-memory-block-info
        guest-get-fsinfo guest-get-disks guest-get-devices guest-get-cpustats
        guest-get-diskstats guest-get-load guest-network-get-interfaces
        guest-network-get-route guest-fsfreeze-status
        """,
    )
    | _rows(
        Danger.CONTROL,
        Area.GUEST,
        """
        guest-shutdown guest-suspend-disk guest-suspend-ram guest-suspend-hybrid
        guest-set-time guest-fsfreeze-freeze guest-fsfreeze-freeze-list
        guest-fsfreeze-thaw guest-fstrim guest-set-vcpus guest-set-memory-blocks
        """,
    )
    | _rows(
        Danger.HOST,
        Area.GUEST,
        """
        guest-exec guest-exec-status guest-file-open guest-file-close
        guest-file-read guest-file-write guest-file-seek guest-file-flush
        guest-set-user-password guest-ssh-get-authorized-keys
        guest-ssh-add-authorized-keys guest-ssh-remove-authorized-keys
        """,
    )
)
"""What is known of each command. ``abort`` is none: it is an action of transactions."""

UNSTABLE: Final = frozenset(
    {
        "cxl-add-dynamic-capacity",
        "cxl-release-dynamic-capacity",
        "device-sync-config",
        "query-s390x-cpu-polarization",
        "set-cpu-topology",
    }
)
"""Commands that a later QEMU may change or drop, beside all that begin with ``x-``."""

HUMAN_LINES: Final[dict[str, Danger]] = dict.fromkeys(
    (
        "info version",
        "info status",
        "info name",
        "info uuid",
        "info kvm",
        "info cpus",
        "info hotpluggable-cpus",
        "info balloon",
        "info mice",
        "info memory_size_summary",
        "info memdev",
        "info memory-devices",
        "info iothreads",
        "info migrate",
        "info migrate_capabilities",
        "info migrate_parameters",
        "info dump",
        "info tpm",
        "info pci",
        "info blockstats",
    ),
    Danger.READ,
) | dict.fromkeys(
    (
        "info block",
        "info block -v",
        "info block-jobs",
        "info chardev",
        "info network",
        "info qtree",
        "info qom-tree",
        "info mtree",
        "info irq",
        "info pic",
        "info numa",
        "info ramblock",
        "info roms",
        "info snapshots",
        "info usb",
        "info usbhost",
        "info vnc",
        "info spice",
    ),
    Danger.LEAK,
)
"""Whole lines of the human monitor that only read, as they are to be written.

Not here: what shows registers or memory of the guest, and whatever takes a parameter.
"""


def is_unstable(command: str) -> bool:
    """Whether a later QEMU may change or drop a command without notice."""
    return command.startswith("x-") or command in UNSTABLE
