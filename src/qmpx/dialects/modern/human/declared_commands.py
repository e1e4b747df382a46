"""The commands that people have in QEMU 7.2: names, arguments, and what they are for.

The order does not matter: ``help`` shows them by name. The names, the arguments and
how these are spelled are QEMU's, for programs read them; the words of the help are not.

Source: QEMU 7.2.22, observed.
"""

from typing import Final, NamedTuple


class Line(NamedTuple):
    """A command, or an item of ``info``.

    Attributes:
        args_type: What a human types after it: see `qmpx.monitor.human.parameters`.
        syntax: The same, for ``help``.
        help: What it does, a phrase.
    """

    args_type: str = ""
    syntax: str = ""
    help: str = ""


COMMANDS: Final[dict[str, Line]] = {
    # The monitor and the machine.
    "help|?": Line("name:S?", "[cmd]", "show what the commands are, or one of them"),
    "info": Line("item:s?", "[subcommand]", "show something about the system"),
    "quit|q": Line(help="end the emulator"),
    "stop|s": Line(help="let the virtual processors stand still"),
    "cont|c": Line(help="let the virtual processors run"),
    "exit_preconfig": Line(help="make the machine that was being prepared"),
    "system_reset": Line(help="press the reset button"),
    "system_powerdown": Line(help="press the power button, as the guest sees it"),
    "system_wakeup": Line(help="wake a guest that sleeps"),
    "nmi": Line(help="interrupt the chosen processor; it cannot mask that"),
    "cpu": Line("index:i", "index", "choose the processor that is looked at"),
    "mce": Line(
        "broadcast:-b,cpu_index:i,bank:i,status:l,mcg_status:l,addr:l,misc:l",
        "[-b] cpu bank status mcgstatus addr misc",
        "report a hardware error to a processor, or with -b to all",
    ),
    "boot_set": Line("bootdevice:s", "bootdevice", "change the order of boot devices"),
    "watchdog_action": Line(
        "action:s",
        "[reset|shutdown|poweroff|pause|debug|none]",
        "choose what the watchdog does when it expires",
    ),
    "singlestep": Line(
        "option:s?", "[on|off]", "translate one instruction at a time, or as usual"
    ),
    "balloon": Line(
        "value:M", "target", "ask the guest to be content with so many MiB"
    ),
    "gdbserver": Line("device:s?", "[device]", "let a debugger connect; or none"),
    "log": Line("items:s", "item1[,...]", "choose what goes to the log; or none"),
    "logfile": Line("filename:F", "filename", "write the log to that file"),
    "trace-event": Line(
        "name:s,option:b,vcpu:i?",
        "name on|off [vcpu]",
        "switch a trace event on or off, for one processor or all",
    ),
    "sync-profile": Line(
        "op:s?", "[on|off|reset]", "measure how long locks are waited for, or not"
    ),
    "dumpdtb": Line("filename:F", "filename", "write the device tree blob to a file"),
    "x_colo_lost_heartbeat": Line(help="tell COLO that the other side is lost"),
    "replay_break": Line("icount:l", "icount", "stop a replay at an instruction"),
    "replay_delete_break": Line(help="remove the stop of a replay"),
    "replay_seek": Line("icount:l", "icount", "replay up to an instruction"),
    # Memory, ports, expressions.
    "x": Line("fmt:/,addr:l", "/fmt addr", "show virtual memory"),
    "xp": Line("fmt:/,addr:l", "/fmt addr", "show physical memory"),
    "i": Line("fmt:/,addr:i,index:i.", "/fmt addr", "read an I/O port"),
    "o": Line("fmt:/,addr:i,val:i", "/fmt addr value", "write an I/O port"),
    "print|p": Line("fmt:/,val:l", "/fmt expr", "show the value of an expression"),
    "sum": Line("start:i,size:i", "addr size", "add physical memory up, as BSD's sum"),
    "memsave": Line(
        "val:l,size:i,filename:s", "addr size file", "save virtual memory to a file"
    ),
    "pmemsave": Line(
        "val:l,size:i,filename:s", "addr size file", "save physical memory to a file"
    ),
    "gpa2hva": Line("addr:l", "addr", "show where the host has a physical address"),
    "gpa2hpa": Line("addr:l", "addr", "show where the host's memory has it"),
    "gva2gpa": Line("addr:l", "addr", "show the physical address of a virtual one"),
    "dump-guest-memory": Line(
        "paging:-p,detach:-d,windmp:-w,zlib:-z,lzo:-l,snappy:-s,"
        "filename:F,begin:l?,length:l?",
        "[-p] [-d] [-z|-l|-s|-w] filename [begin length]",
        "write the guest's memory to a file\n"
        "\t\t\t -p: as the processors map it\n"
        "\t\t\t -d: come back at once\n"
        "\t\t\t -z, -l, -s: as kdump has it, packed by zlib, lzo or snappy\n"
        "\t\t\t -w: as Windows has it\n"
        "\t\t\t begin, length: only these physical addresses",
    ),
    # Screen, keys, sound.
    "screendump": Line(
        "filename:F,format:-fs,device:s?,head:i?",
        "filename [-f format] [device [head]]",
        "write a picture of a screen, as ppm unless told, or png",
    ),
    "sendkey": Line(
        "keys:s,hold_time:i?",
        "keys [hold_ms]",
        "press keys (ctrl-alt-f1) together, for 100 ms unless told",
    ),
    "mouse_move": Line(
        "dx_str:s,dy_str:s,dz_str:s?", "dx dy [dz]", "move the pointer, turn the wheel"
    ),
    "mouse_button": Line(
        "button_state:i", "state", "press buttons: 1 left, 2 middle, 4 right, added up"
    ),
    "mouse_set": Line("index:i", "index", "choose the pointing device that is moved"),
    "wavcapture": Line(
        "path:F,audiodev:s,freq:i?,bits:i?,nchannels:i?",
        "path audiodev [frequency [bits [channels]]]",
        "record what the guest plays to a WAV file (44100 Hz, 16 bits, 2 channels)",
    ),
    "stopcapture": Line("n:i", "capture index", "end a recording"),
    "set_password": Line(
        "protocol:s,password:s,display:-ds,connected:s?",
        "protocol password [-d display] [action-if-connected]",
        "set the password of vnc or spice",
    ),
    "expire_password": Line(
        "protocol:s,time:s,display:-ds",
        "protocol time [-d display]",
        "say when the password of vnc or spice is none any more",
    ),
    "client_migrate_info": Line(
        "protocol:s,hostname:s,port:i?,tls_port:i?,cert_subject:s?",
        "protocol hostname port tls-port cert-subject",
        "tell clients of the display where the machine goes",
    ),
    # Drives and jobs.
    "commit": Line("device:B", "device|all", "write a drive's own into what is behind"),
    "eject": Line("force:-f,device:B", "[-f] device", "take a medium out; -f by force"),
    "change": Line(
        "device:B,force:-f,target:F,arg:s?,read_only_mode:s?",
        "device [-f] filename [format [read-only-mode]]",
        "put another medium into a drive, or set the VNC password",
    ),
    "block_resize": Line("device:B,size:o", "device size", "change an image's size"),
    "block_set_io_throttle": Line(
        "device:B,bps:l,bps_rd:l,bps_wr:l,iops:l,iops_rd:l,iops_wr:l",
        "device bps bps_rd bps_wr iops iops_rd iops_wr",
        "limit a drive's bytes and operations in a second",
    ),
    "block_stream": Line(
        "device:B,speed:o?,base:s?",
        "device [speed [base]]",
        "copy what is behind an image into it",
    ),
    "block_job_set_speed": Line(
        "device:B,speed:o", "device speed", "limit a job's bytes in a second"
    ),
    "block_job_cancel": Line(
        "force:-f,device:B",
        "[-f] device",
        "call a job off\n\t\t\t -f: now, not when both sides are alike",
    ),
    "block_job_complete": Line("device:B", "device", "let a job that is ready end"),
    "block_job_pause": Line("device:B", "device", "let a job rest"),
    "block_job_resume": Line("device:B", "device", "let a job that rests go on"),
    "drive_add": Line(
        "node:-n,pci_addr:s,opts:s",
        "[-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=type][,bus=n]\n"
        "[,unit=m][,media=d][,index=i]\n[,snapshot=on|off][,cache=on|off]\n"
        "[,readonly=on|off][,copy-on-read=on|off]",
        "add a drive, or with -n a block node",
    ),
    "drive_del": Line("id:B", "device", "remove a drive that was added"),
    "drive_mirror": Line(
        "reuse:-n,full:-f,device:B,target:s,format:s?",
        "[-n] [-f] device target [format]",
        "copy a drive, and go on copying what is written\n"
        "\t\t\t -n: the target is there already\n\t\t\t -f: with all that is behind it",
    ),
    "drive_backup": Line(
        "reuse:-n,full:-f,compress:-c,device:B,target:s,format:s?",
        "[-n] [-f] [-c] device target [format]",
        "copy a drive as it is now\n\t\t\t -n: the target is there already\n"
        "\t\t\t -f: with all that is behind it\n\t\t\t -c: packed, where that can be",
    ),
    "snapshot_blkdev": Line(
        "reuse:-n,device:B,snapshot_file:s?,format:s?",
        "[-n] device [new-image-file] [format]",
        "go on in a new image that lies over the old one (qcow2 unless told)\n"
        "\t\t\t -n: it is there already",
    ),
    "snapshot_blkdev_internal": Line(
        "device:B,name:s", "device name", "keep a drive's state in its image"
    ),
    "snapshot_delete_blkdev_internal": Line(
        "device:B,name:s,id:s?",
        "device name [id]",
        "forget a state that is kept in an image",
    ),
    "savevm": Line("name:s?", "tag", "save the machine into its disk images"),
    "loadvm": Line("name:s", "tag", "let the machine be what was saved"),
    "delvm": Line("name:s", "tag", "forget what was saved"),
    "qemu-io": Line(
        "qdev:-d,device:B,command:s",
        '[-d] [device] "[command]"',
        "do something to a drive as qemu-io does\n\t\t\t-d: device is that of a device",
    ),
    "nbd_server_start": Line(
        "all:-a,writable:-w,uri:s",
        "nbd_server_start [-a] [-w] host:port",
        "serve NBD; -a: all drives, -w: to be written",
    ),
    "nbd_server_add": Line(
        "writable:-w,device:B,name:s?",
        "nbd_server_add [-w] device [name]",
        "serve a drive by NBD; -w: to be written",
    ),
    "nbd_server_remove": Line(
        "force:-f,name:s", "nbd_server_remove [-f] name", "serve a drive no more"
    ),
    "nbd_server_stop": Line("", "nbd_server_stop", "serve NBD no more"),
    # Devices, objects, character devices, network.
    "device_add": Line(
        "device:O", "driver[,prop=value][,...]", "plug a device in, as -device does"
    ),
    "device_del": Line("id:s", "device", "take a device out"),
    "object_add": Line(
        "object:S",
        "[qom-type=]type,id=str[,prop=value][,...]",
        "make an object, as -object does",
    ),
    "object_del": Line("id:s", "id", "remove an object"),
    "qom-list": Line("path:s?", "path", "list the properties of an object"),
    "qom-get": Line("path:s,property:s", "path property", "show a property"),
    "qom-set": Line(
        "json:-j,path:s,property:s,value:S",
        "[-j] path property value",
        "set a property\n\t\t\t-j: the value is JSON",
    ),
    "pcie_aer_inject_error": Line(
        "advisory_non_fatal:-a,correctable:-c,id:s,error_status:s,"
        "header0:i?,header1:i?,header2:i?,header3:i?,"
        "prefix0:i?,prefix1:i?,prefix2:i?,prefix3:i?",
        "[-a] [-c] id <error_status> [<tlp header> [<tlp header prefix>]]",
        "report an error of a PCI Express device",
    ),
    "chardev-add": Line("args:s", "args", "open a character device, as -chardev does"),
    "chardev-change": Line(
        "id:s,args:s", "id args", "let a character device be another"
    ),
    "chardev-remove": Line("id:s", "id", "close a character device"),
    "chardev-send-break": Line("id:s", "id", "send a break on a character device"),
    "ringbuf_read": Line("device:s,size:i", "device size", "read from a ring buffer"),
    "ringbuf_write": Line("device:s,data:s", "device data", "write to a ring buffer"),
    "getfd": Line("fdname:s", "getfd name", "keep a descriptor by name"),
    "closefd": Line("fdname:s", "closefd name", "close a kept descriptor"),
    "netdev_add": Line(
        "netdev:O",
        "[user|tap|socket|stream|dgram|vde|bridge|hubport|netmap|vhost-user],"
        "id=str[,prop=value][,...]",
        "make a network back end, as -netdev does",
    ),
    "netdev_del": Line("id:s", "id", "remove a network back end"),
    "set_link": Line("name:s,up:b", "name on|off", "plug a network cable in or out"),
    "hostfwd_add": Line(
        "arg1:s,arg2:s?",
        "[netdev_id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
        "pass a port of the host on to the guest",
    ),
    "hostfwd_remove": Line(
        "arg1:s,arg2:s?",
        "[netdev_id] [tcp|udp]:[hostaddr]:hostport",
        "pass a port of the host on no more",
    ),
    "announce_self": Line(
        "interfaces:s?,id:s?", "[interfaces] [id]", "let switches know where it is now"
    ),
    # Migration.
    "migrate": Line(
        "detach:-d,blk:-b,inc:-i,resume:-r,uri:s",
        "[-d] [-b] [-i] [-r] uri",
        "move the machine (-d: do not wait)\n\t\t\t -b: with its disks\n"
        "\t\t\t -i: with what is in their own images\n\t\t\t -r: go on after a break",
    ),
    "migrate_cancel": Line(help="call the migration off"),
    "migrate_continue": Line("state:s", "state", "let a migration that waits go on"),
    "migrate_incoming": Line("uri:s", "uri", "wait for a machine to come"),
    "migrate_pause": Line(help="break a postcopy migration off, to go on later"),
    "migrate_recover": Line("uri:s", "uri", "wait for a migration that broke off"),
    "migrate_start_postcopy": Line(help="let the guest run there from now on"),
    "migrate_set_capability": Line(
        "capability:s,state:b", "capability state", "switch a capability on or off"
    ),
    "migrate_set_parameter": Line(
        "parameter:s,value:s", "parameter value", "set a parameter of migrations"
    ),
    "calc_dirty_rate": Line(
        "dirty_ring:-r,dirty_bitmap:-b,second:l,sample_pages_per_GB:l?",
        "[-r] [-b] second [sample_pages_per_GB]",
        "measure how fast memory is written\n"
        "\t\t\t -r: by the dirty ring, -b: by the dirty bitmap",
    ),
    "set_vcpu_dirty_limit": Line(
        "dirty_rate:l,cpu_index:l?",
        "dirty_rate [cpu_index]",
        "limit how fast processors write memory\n\t\t\t\t\t or only one of them",
    ),
    "cancel_vcpu_dirty_limit": Line(
        "cpu_index:l?",
        "[cpu_index]",
        "limit that no more\n\t\t\t\t\t or only for one of them",
    ),
}
"""The commands by name, with ``|`` between the spellings."""

EARLY: Final = frozenset(
    {
        *("block_job_cancel", "block_job_complete", "block_job_pause"),
        *("block_job_resume", "block_job_set_speed", "block_resize"),
        *("block_set_io_throttle", "block_stream", "closefd", "exit_preconfig"),
        *("getfd", "help|?", "info", "nbd_server_add", "nbd_server_remove"),
        *("nbd_server_start", "nbd_server_stop", "netdev_add", "netdev_del"),
        *("object_add", "object_del", "qom-get", "qom-list", "qom-set", "quit|q"),
        *("info chardev", "info history", "info hotpluggable-cpus"),
        *("info iothreads", "info memdev", "info name", "info qom-tree"),
        *("info status", "info uuid", "info version", "info virtio"),
        *("info virtio-queue-element", "info virtio-queue-status"),
        *("info virtio-status", "info virtio-vhost-queue-status"),
    }
)
"""What may be run while the machine is being built: see ``--preconfig``."""
