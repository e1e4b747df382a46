"""Which events there are, and what in their data gives away clients, hosts or files.

It holds every event of QEMU 6.2 to 9.2. What it does not hold may give anything away.

Source: read off the documentation of each event in QEMU's schema files.
"""

from typing import Final

_PEERS: Final = (
    "server.host",
    "server.service",
    "server.port",
    "client.host",
    "client.service",
    "client.port",
    "client.x509_dname",
    "client.sasl_username",
)

EVENT_SECRETS: Final[dict[str, tuple[str, ...]]] = dict.fromkeys(
    (
        "ACPI_DEVICE_OST",
        "BALLOON_CHANGE",
        "BLOCK_EXPORT_DELETED",
        "BLOCK_JOB_CANCELLED",
        "BLOCK_JOB_ERROR",
        "BLOCK_JOB_PENDING",
        "BLOCK_JOB_READY",
        "BLOCK_WRITE_THRESHOLD",
        "COLO_EXIT",
        "CPU_POLARIZATION_CHANGE",
        "DEVICE_DELETED",
        "DEVICE_TRAY_MOVED",
        "DEVICE_UNPLUG_GUEST_ERROR",
        "FAILOVER_NEGOTIATED",
        "GUEST_CRASHLOADED",
        "GUEST_PVSHUTDOWN",
        "HV_BALLOON_STATUS_REPORT",
        "JOB_STATUS_CHANGE",
        "MEMORY_DEVICE_SIZE_CHANGE",
        "MEMORY_FAILURE",
        "MEM_UNPLUG_ERROR",
        "MIGRATION",
        "MIGRATION_PASS",
        "NETDEV_STREAM_DISCONNECTED",
        "NIC_RX_FILTER_CHANGED",
        "POWERDOWN",
        "PR_MANAGER_STATUS_CHANGED",
        "QUORUM_FAILURE",
        "RESET",
        "RESUME",
        "RTC_CHANGE",
        "SHUTDOWN",
        "SPICE_MIGRATE_COMPLETED",
        "STOP",
        "SUSPEND",
        "SUSPEND_DISK",
        "UNPLUG_PRIMARY",
        "VFIO_MIGRATION",
        "VFU_CLIENT_HANGUP",
        "VSERPORT_CHANGE",
        "WAKEUP",
        "WATCHDOG",
    ),
    (),
) | {
    "BLOCK_IMAGE_CORRUPTED": ("msg",),
    "BLOCK_IO_ERROR": ("reason",),
    "BLOCK_JOB_COMPLETED": ("error",),
    "DUMP_COMPLETED": ("error",),
    "GUEST_PANICKED": ("info",),
    "NETDEV_STREAM_CONNECTED": ("addr.host", "addr.path", "addr.port", "addr.str"),
    "QUORUM_REPORT_BAD": ("error",),
    "RDMA_GID_STATUS_CHANGED": ("netdev",),
    "SPICE_CONNECTED": _PEERS,
    "SPICE_DISCONNECTED": _PEERS,
    "SPICE_INITIALIZED": _PEERS,
    "VNC_CONNECTED": _PEERS,
    "VNC_DISCONNECTED": _PEERS,
    "VNC_INITIALIZED": _PEERS,
}
"""Every event, and the places in its data that give away clients, hosts or files."""
