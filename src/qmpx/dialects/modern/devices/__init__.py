"""Commands on devices: plugging them, PCI, virtio, the watchdog and NMI."""
