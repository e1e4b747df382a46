"""Which commands there are, and which module of this room carries each out.

A monitor knows its commands by these names; a module is imported when one of its
commands is used, or asked about. So a stand-in answers soon after it was started.
"""

from functools import partial
from importlib import import_module
from typing import Final

from qmpx.monitor import CommandRegistry

MODULES: Final = {
    "refusals": """
        x-colo-lost-heartbeat query-sev-capabilities query-sev-launch-measure
        query-sgx-capabilities replay-delete-break x-query-profile x-exit-preconfig
        query-sev query-sev-attestation-report sev-inject-launch-secret replay-break
        replay-seek dumpdtb query-rocker query-rocker-ports query-rocker-of-dpa-flows
        query-rocker-of-dpa-groups set-vcpu-dirty-limit cancel-vcpu-dirty-limit
        xen-save-devices-state xen-load-devices-state xen-set-global-dirty-log
        xen-set-replication xen-colo-do-checkpoint query-xen-replication-status
        query-colo-status query-sgx
    """,
    "screens": "query-display-options query-spice client_migrate_info display-reload",
    "status": """
        query-status query-name query-uuid query-kvm query-target stop cont system_reset
        system_powerdown system_wakeup quit query-version query-chardev
    """,
    "tracing": "trace-event-get-state trace-event-set-state",
    "block": "query-block eject blockdev-open-tray blockdev-close-tray",
    "graph": """
        blockdev-add blockdev-del blockdev-reopen query-named-block-nodes
        query-blockstats block-set-write-threshold block_set_io_throttle
        blockdev-insert-medium blockdev-remove-medium blockdev-change-medium
        change-backing-file block_resize
    """,
    "graph_experiments": """
        x-debug-query-block-graph x-debug-block-dirty-bitmap-sha256 x-blockdev-change
        x-blockdev-set-iothread x-blockdev-amend block-latency-histogram-set
    """,
    "jobs": """
        query-jobs job-pause job-resume job-cancel job-complete job-finalize job-dismiss
        blockdev-create
    """,
    "block_jobs": """
        query-block-jobs block-job-pause block-job-resume block-job-cancel
        block-job-complete block-job-finalize block-job-dismiss block-job-set-speed
    """,
    "chain_jobs": "block-stream block-commit",
    "mirror_jobs": "blockdev-mirror drive-mirror",
    "backup_jobs": "blockdev-backup drive-backup",
    "exports": """
        nbd-server-start nbd-server-add nbd-server-remove nbd-server-stop
        block-export-add block-export-del query-block-exports
    """,
    "transaction": """
        block-dirty-bitmap-add block-dirty-bitmap-remove block-dirty-bitmap-clear
        block-dirty-bitmap-enable block-dirty-bitmap-disable block-dirty-bitmap-merge
        blockdev-snapshot blockdev-snapshot-sync blockdev-snapshot-internal-sync
        blockdev-snapshot-delete-internal-sync transaction
    """,
    "characters": """
        query-chardev-backends chardev-add chardev-change chardev-remove
        chardev-send-break
    """,
    "ring_buffers": "ringbuf-write ringbuf-read",
    "descriptors": "getfd closefd add-fd remove-fd query-fdsets",
    "devices": "set_link",
    "display": """
        screendump send-key input-send-event query-mice query-vnc query-vnc-servers
        set_password change-vnc-password expire_password
    """,
    "display_clients": "display-update add_client",
    "dump": "dump-guest-memory query-dump query-dump-guest-memory-capability",
    "hardware": "inject-nmi set-action watchdog-set-action",
    "memory": "memsave pmemsave query-memory-size-summary balloon query-balloon",
    "memory_devices": "query-memory-devices query-memdev",
    "migration": """
        migrate migrate_cancel migrate-continue migrate-start-postcopy migrate-recover
        migrate-incoming
    """,
    "migration_parameters": """
        query-migrate-capabilities migrate-set-capabilities query-migrate-parameters
        migrate-set-parameters
    """,
    "migration_progress": "query-migrate",
    "network": "netdev_add netdev_del",
    "network_adapters": "query-rx-filter announce-self",
    "numa": "set-numa-node",
    "human": "human-monitor-command",
    "objects": "object-add object-del query-iothreads",
    "out_of_band": "query-yank yank migrate-pause",
    "pci": "query-pci",
    "platform_facts": """
        query-current-machine query-acpi-ospm-status query-vm-generation-id query-tpm
        query-tpm-models query-tpm-types query-pr-managers rtc-reset-reinjection
        query-replay query-stats query-stats-schemas calc-dirty-rate query-dirty-rate
        query-vcpu-dirty-limit
    """,
    "processors": "query-cpus-fast query-hotpluggable-cpus",
    "qdev": "device_add device_del",
    "qom": "qom-list qom-get qom-set",
    "snapshots": "snapshot-save snapshot-load snapshot-delete",
    "virtio": """
        x-query-virtio x-query-virtio-status x-query-virtio-queue-status
        x-query-virtio-vhost-queue-status x-query-virtio-queue-element
    """,
    "readable": """
        x-query-irq x-query-numa x-query-jit x-query-opcount x-query-rdma x-query-roms
        x-query-ramblock x-query-usb
    """,
}
"""The commands of each module, in the order in which they are told."""


def _registry_of(module: str) -> CommandRegistry:
    registry: CommandRegistry = import_module(f"{__package__}.{module}").commands
    return registry


def all_commands() -> CommandRegistry:
    """Return the commands of this dialect; no module of theirs is imported."""
    registry = CommandRegistry()
    for module, names in MODULES.items():
        registry.postpone(names.split(), partial(_registry_of, module))
    return registry
