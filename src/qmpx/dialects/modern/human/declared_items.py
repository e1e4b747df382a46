"""The items of ``info`` in QEMU 7.2: names, arguments, and what they show.

Source: QEMU 7.2.22, observed; the words of the help are our own.
"""

from typing import Final

from qmpx.dialects.modern.human.declared_commands import Line

_PATH: Final = "path:s"

ITEMS: Final[dict[str, Line]] = {
    "balloon": Line(help="how much memory the guest has"),
    "block": Line(
        "nodes:-n,verbose:-v,device:B?",
        "[-n] [-v] [device]",
        "the drives, or one; -n: nodes with names, -v: more of each",
    ),
    "block-jobs": Line(help="the jobs on drives"),
    "blockstats": Line(help="what the drives have read and written"),
    "capture": Line(help="the recordings"),
    "chardev": Line(help="the character devices"),
    "cpus": Line(help="the processors"),
    "dirty_rate": Line(help="how fast memory is written"),
    "dump": Line(help="how far the dump of memory is"),
    "history": Line(help="the lines that were typed on this monitor"),
    "hotpluggable-cpus": Line(help="where processors can be plugged in"),
    "iothreads": Line(help="the threads for input and output"),
    "irq": Line(help="how often there were interrupts"),
    "jit": Line(help="statistics of the translator of code"),
    "kvm": Line(help="whether KVM is used"),
    "lapic": Line("apic_id:i?", "[apic-id]", "a processor's interrupt controller"),
    "mem": Line(help="the ranges of virtual addresses in use, and their rights"),
    "memdev": Line(help="the memory back ends"),
    "memory-devices": Line(help="the memory devices"),
    "memory_size_summary": Line(help="how much memory there is, in bytes"),
    "mice": Line(help="the pointing devices, and which is moved"),
    "migrate": Line(help="how far the migration is"),
    "migrate_capabilities": Line(help="the capabilities of migrations"),
    "migrate_parameters": Line(help="the parameters of migrations"),
    "mtree": Line(
        "flatview:-f,dispatch_tree:-d,owner:-o,disabled:-D",
        "[-f][-d][-o][-D]",
        "what is at which address; -f: flat, -o: with owners, -D: what is off, too",
    ),
    "name": Line(help="the machine's name"),
    "network": Line(help="the network clients, and what they are connected to"),
    "numa": Line(help="the NUMA nodes"),
    "opcount": Line(help="how often operations were translated"),
    "pci": Line(help="the PCI devices"),
    "pic": Line(help="the state of the interrupt controllers"),
    "profile": Line(help="where the emulator spent its time"),
    "qdm": Line(help="the device models that there are"),
    "qom-tree": Line("path:s?", "[path]", "the tree of objects"),
    "qtree": Line(help="the tree of devices"),
    "ramblock": Line(help="the blocks of memory"),
    "rdma": Line(help="the state of RDMA devices"),
    "registers": Line(
        "cpustate_all:-a,vcpu:i?",
        "[-a|vcpu]",
        "the registers of the chosen processor, of another, or of all",
    ),
    "replay": Line(help="whether a run is recorded or replayed"),
    "rocker": Line("name:s", "name", "a rocker switch"),
    "rocker-of-dpa-flows": Line("name:s,tbl_id:i?", "name [tbl_id]", "its flows"),
    "rocker-of-dpa-groups": Line("name:s,type:i?", "name [type]", "its groups"),
    "rocker-ports": Line("name:s", "name", "its ports"),
    "roms": Line(help="the ROMs"),
    "sev": Line(help="whether the guest's memory is encrypted"),
    "sgx": Line(help="the enclaves' memory"),
    "snapshots": Line(help="what was saved of the machine"),
    "spice": Line(help="the SPICE server"),
    "stats": Line(
        "target:s,names:s?,provider:s?",
        "target [names] [provider]",
        "statistics of the machine or of its processors",
    ),
    "status": Line(help="the run state"),
    "sync-profile": Line(
        "mean:-m,no_coalesce:-n,max:i?",
        "[-m] [-n] [max]",
        "how long locks were waited for; -m: by mean, -n: one by one",
    ),
    "tlb": Line(help="what virtual addresses are mapped to, page by page"),
    "tpm": Line(help="the TPM devices"),
    "trace-events": Line("name:s?,vcpu:i?", "[name] [vcpu]", "the trace events"),
    "usb": Line(help="the USB devices of the guest"),
    "usbhost": Line(help="the USB devices of the host"),
    "usernet": Line(help="the connections of user-mode networks"),
    "uuid": Line(help="the machine's UUID"),
    "vcpu_dirty_limit": Line(help="how fast processors may write memory"),
    "version": Line(help="the version"),
    "virtio": Line(help="the virtio devices"),
    "virtio-queue-element": Line(
        "path:s,queue:i,index:i?", "path queue [index]", "an element of a queue"
    ),
    "virtio-queue-status": Line("path:s,queue:i", "path queue", "a virtio queue"),
    "virtio-status": Line(_PATH, "path", "a virtio device"),
    "virtio-vhost-queue-status": Line(
        "path:s,queue:i", "path queue", "a virtio queue that vhost serves"
    ),
    "vm-generation-id": Line(help="the number that changes with each copy"),
    "vnc": Line(help="the VNC servers and their clients"),
}
"""The items by name."""
