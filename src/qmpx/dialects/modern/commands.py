"""Which commands there are, and which module of these rooms carries each out.

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
    "display.screens": """
        query-display-options query-spice client_migrate_info display-reload
    """,
    "status": """
        query-status query-name query-uuid query-kvm query-target stop cont system_reset
        system_powerdown system_wakeup quit query-version query-chardev
    """,
    "tracing": "trace-event-get-state trace-event-set-state",
    "block.block": "query-block eject blockdev-open-tray blockdev-close-tray",
    "block.graph": """
        blockdev-add blockdev-del blockdev-reopen query-named-block-nodes
        query-blockstats block-set-write-threshold block_set_io_throttle
        blockdev-insert-medium blockdev-remove-medium blockdev-change-medium
        change-backing-file block_resize
    """,
    "block.experiments": """
        x-debug-query-block-graph x-debug-block-dirty-bitmap-sha256 x-blockdev-change
        x-blockdev-set-iothread x-blockdev-amend block-latency-histogram-set
    """,
    "jobs.jobs": """
        query-jobs job-pause job-resume job-cancel job-complete job-finalize job-dismiss
        blockdev-create
    """,
    "jobs.block": """
        query-block-jobs block-job-pause block-job-resume block-job-cancel
        block-job-complete block-job-finalize block-job-dismiss block-job-set-speed
    """,
    "jobs.chain": "block-stream block-commit",
    "jobs.mirror": "blockdev-mirror drive-mirror",
    "jobs.backup": "blockdev-backup drive-backup",
    "block.exports": """
        nbd-server-start nbd-server-add nbd-server-remove nbd-server-stop
        block-export-add block-export-del query-block-exports
    """,
    "block.transaction": """
        block-dirty-bitmap-add block-dirty-bitmap-remove block-dirty-bitmap-clear
        block-dirty-bitmap-enable block-dirty-bitmap-disable block-dirty-bitmap-merge
        blockdev-snapshot blockdev-snapshot-sync blockdev-snapshot-internal-sync
        blockdev-snapshot-delete-internal-sync transaction
    """,
    "characters.characters": """
        query-chardev-backends chardev-add chardev-change chardev-remove
        chardev-send-break
    """,
    "characters.ring_buffers": "ringbuf-write ringbuf-read",
    "descriptors": "getfd closefd add-fd remove-fd query-fdsets",
    "display.display": """
        screendump send-key input-send-event query-mice query-vnc query-vnc-servers
        set_password change-vnc-password expire_password
    """,
    "display.clients": "display-update add_client",
    "memory.dump": "dump-guest-memory query-dump query-dump-guest-memory-capability",
    "devices.hardware": "inject-nmi set-action watchdog-set-action",
    "memory.memory": "memsave pmemsave query-memory-size-summary balloon query-balloon",
    "memory.devices": "query-memory-devices query-memdev",
    "migration.migration": """
        migrate migrate_cancel migrate-continue migrate-start-postcopy migrate-recover
        migrate-incoming
    """,
    "migration.parameters": """
        query-migrate-capabilities migrate-set-capabilities query-migrate-parameters
        migrate-set-parameters
    """,
    "migration.progress": "query-migrate",
    "network.network": "netdev_add netdev_del",
    "network.adapters": "query-rx-filter announce-self set_link",
    "memory.numa": "set-numa-node",
    "human": "human-monitor-command",
    "objects.objects": "object-add object-del query-iothreads",
    "out_of_band": "query-yank yank migrate-pause",
    "devices.pci": "query-pci",
    "platform_facts": """
        query-current-machine query-acpi-ospm-status query-vm-generation-id query-tpm
        query-tpm-models query-tpm-types query-pr-managers rtc-reset-reinjection
        query-replay query-stats query-stats-schemas calc-dirty-rate query-dirty-rate
        query-vcpu-dirty-limit
    """,
    "processors": "query-cpus-fast query-hotpluggable-cpus",
    "devices.qdev": "device_add device_del",
    "objects.qom": "qom-list qom-get qom-set",
    "jobs.snapshots": "snapshot-save snapshot-load snapshot-delete",
    "devices.virtio": """
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
