"""What devices cannot do without, and what they say where it is missing.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.qom.buses import Device

_ITSELF: Final = "{id}"


_NO_CHASSIS: Final = (
    "Bridge chassis not specified. Each bridge is required to be assigned "
    "a unique chassis id > 0."
)


class _Requirement(NamedTuple):
    prefix: str  # how the names of the models begin
    property: str
    complaint: str


_REQUIREMENTS: Final = tuple(
    _Requirement(*row)
    for row in (
        ("ctucan_pci", "canbus0", "ctucan_connect_to_bus failed"),
        ("kvaser_pci", "canbus", "can_sja_connect_to_bus failed"),
        ("mioe3680_pci", "canbus0", "can_sja_connect_to_bus failed"),
        ("pcm3680_pci", "canbus0", "can_sja_connect_to_bus failed"),
        ("cxl-type3", "memdev", "memdev property must be set"),
        ("ivshmem-doorbell", "chardev", "You must specify a 'chardev'"),
        ("ivshmem-plain", "memdev", "You must specify a 'memdev'"),
        ("nvme", "serial", "serial property not set"),
        (
            "pci-bridge",
            "chassis_nr",
            _NO_CHASSIS,
        ),
        ("pci-ipmi-", "bmc", "IPMI device requires a bmc attribute to be set"),
        ("u2f-passthru", "hidraw", "u2f-passthru: Failed to find a U2F USB device"),
        ("usb-braille", "chardev", "Property chardev is required"),
        ("usb-serial", "chardev", "Property chardev is required"),
        (
            "usb-mtp",
            "rootdir",
            "usb-mtp: rootdir must be configured and be an absolute path",
        ),
        ("usb-redir", "chardev", "Parameter 'chardev' is missing"),
        ("vfio-pci", "host", "No provided host device"),
        ("vhost-scsi", "wwpn", "vhost-scsi: missing wwpn"),
        ("vhost-user-blk", "chardev", "chardev is mandatory"),
        ("vhost-user-fs", "chardev", "missing chardev"),
        ("vhost-user-gpio", "chardev", "vhost-user-gpio: chardev is mandatory"),
        ("vhost-user-i2c", "chardev", "vhost-user-i2c: missing chardev"),
        ("vhost-user-input", "", "vhost initialization failed: requires kvm"),
        ("vhost-user-rng", "chardev", "missing chardev"),
        ("vhost-user-scsi", "chardev", "vhost-user-scsi: missing chardev"),
        ("vhost-user-vsock", "chardev", "missing chardev"),
        ("vhost-vsock", "guest-cid", "guest-cid property must be greater than 2"),
        ("virtio-9p", "fsdev", "9pfs device couldn't find fsdev with the id = NULL"),
        (
            "virtio-crypto",
            "cryptodev",
            "'cryptodev' parameter expects a valid object",
        ),
        ("virtio-input-host", "evdev", "evdev property is required"),
        ("x-pci-proxy-dev", "fd", f"fd parameter not specified for {_ITSELF}"),
    )
)


def check_requirements(device: "Device") -> None:
    """Check that a device has been given what it cannot do without.

    Raises:
        GenericError: It has not.
    """
    kind, given = device.object.type, device.values
    for prefix, name, complaint in _REQUIREMENTS:
        if kind.startswith(prefix) and kind != "nvme-ns" and not given.get(name):
            raise GenericError(complaint.replace(_ITSELF, device.id or "(null)"))
