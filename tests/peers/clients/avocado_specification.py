"""What tp-qemu's tests of the protocol and of commands say, by avocado-vt's monitor.

Its three modules qmp_basic, qmp_command and qmp_event_notification want a guest to log
in to; here is what they send, and what they look at in the answers.
"""

import importlib
import pathlib
import re
from typing import Any

from tests.peers.clients.avocado_machine import Machine
from tests.peers.clients.playing import Note, Place, Script, shape, tried, until

monitors: Any = importlib.import_module("virttest.qemu_monitor")

script = Script()

NOT_OBJECTS: tuple[Any, ...] = ({}, [], True, "foo")
RESPONSE_SECONDS = 10


def connect(place: Place) -> Any:
    """Return a QMP monitor."""
    vm = Machine(has_blockdev=True)
    monitor = monitors.QMPMonitor(vm, "qmp1", {"monitor_filename": place.qmp})
    place.opened.append(monitor)
    return monitor


def connect_human(place: Place) -> Any:
    """Return a human monitor."""
    vm = Machine(has_blockdev=True)
    monitor = monitors.HumanMonitor(vm, "hmp1", {"monitor_filename": place.hmp})
    place.opened.append(monitor)
    return monitor


def _networks(monitor: Any) -> str:
    """Return what there is of networks, but for numbers that count what ran before."""
    told = monitor.send_args_cmd("human-monitor-command command-line=info network")
    return re.sub("#net[0-9]+", "#net", told)


@script.scene
def input_objects(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.cmd_obj({"execute": "query-version"}))
    note(monitor.cmd_obj({"arguments": {}, "execute": "query-version"}))
    note(monitor.cmd_obj({"id": "1234foo", "execute": "query-version"}))
    no_objects: tuple[Any, ...] = ("foo", [], True, 1, None, -1.5)
    for told in no_objects:
        note(monitor.cmd_obj(told))
    for keys in ({}, {"execut": "qmp_capabilities"}, {"executee": "x"}, {"foo": "bar"}):
        note(monitor.cmd_obj(keys))
    names: tuple[Any, ...] = (False, 1, {}, [], None)
    for name in names:
        note(monitor.cmd_obj({"execute": name}))
    for arguments in (True, *no_objects):
        note(monitor.cmd_obj({"execute": "eject", "arguments": arguments}))
    note(monitor.cmd_qmp("eject", {"foobar": True}, q_id="virt-test"))
    note(monitor.cmd_qmp("query-status", q_id="virt-test"))
    ids: tuple[Any, ...] = (True, 1234, "string again!", [1, [], {}, True], {"key": {}})
    for id_ in (*ids, {"a": [None, -0.5, "\u20ac"]}):
        note(monitor.cmd_qmp("query-status", q_id=id_))
        note(monitor.cmd_qmp("nosuch", q_id=id_))
    note(monitor.cmd_obj({"execute": "eject", "foobar": True}))
    note(monitor.cmd_obj({"execute": "query-status", "exec-oob": "query-status"}))
    note(monitor.cmd_obj({"exec-oob": "query-status"}))
    note(monitor.cmd_obj({"execute": "qmp_capabilities"}))


@script.scene
def arguments_checked(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.cmd_qmp("stop", {"foo": 1}))
    note(monitor.cmd_qmp("screendump"))
    note(monitor.cmd_qmp("screendump", {"filename": "outfile", "bar": "bar"}))
    note(monitor.cmd_qmp("eject", {"device": "foobar"}))
    note(monitor.cmd_qmp("eject"))
    for wrong in NOT_OBJECTS:
        if wrong != "foo":
            note(monitor.cmd_qmp("screendump", {"filename": wrong}))
        if wrong is not True:
            note(monitor.cmd_qmp("eject", {"force": wrong, "device": "foo"}))
        save = {"val": wrong, "filename": "foo", "size": 10}
        note(monitor.cmd_qmp("memsave", save))
        note(monitor.cmd_qmp("pmemsave", save))
        note(monitor.cmd_qmp("migrate_set_speed", {"value": wrong}))
        limit = {"downtime-limit": wrong}
        note(monitor.cmd_qmp("migrate-set-parameters", limit))
        note(monitor.cmd_qmp("human-monitor-command", {"command-line": wrong}))
    note(monitor.cmd_qmp("device_add", {"driver": "e1000", "foo": "bar"}))
    note(monitor.cmd_qmp("device_add", {"foo": "bar"}))
    note(monitor.cmd_qmp("device_add", {"driver": 1}))
    note(monitor.cmd_qmp("object-add", {"qom-type": "iothread", "id": "i", "x": "y"}))
    note(monitor.cmd_qmp("netdev_add", {"type": "user", "id": "n", "x": "y"}))
    for name in ("bar", "query-", "query-foo", "q", "help", "", "Stop", "stop "):
        note(monitor.cmd_qmp(name))


@script.scene
def texts_that_are_no_json(place: Place, note: Note) -> None:
    monitor = connect(place)
    for text in (
        ":",
        ",",
        '{ "execute" }',
        '{ "execute": "query-version", }',
        '{ 1: "query-version" }',
        '{ true: "query-version" }',
        '{ []: "query-version" }',
        '{ {}: "query-version" }',
        "{'execute': 'query-version', 'id': 'x' 'y'}",
        '{"execute": "query-version", "execute": "query-name"}',
        '{"execute": "query-version" "id": 1}',
        '{"execute": query-version}',
        '{"execute": "query-\\q"}',
        '{"execute": "query-\\u12"}',
        '{"execute": "query-version", "id": 01}',
        '{"execute": "query-version", "id": 1.}',
        '{"execute": "query-version", "id": .5}',
        '{"execute": "query-version", "id": +5}',
        '{"execute": "query-version", "id": nul}',
        '{"execute": "query-version", "id": True}',
        "]",
    ):
        note([text, tried(monitor.cmd_raw, text, RESPONSE_SECONDS)])
        # What else it says to a text is left unread, as tp-qemu does.
        note(until(monitor.is_responsive))


@script.scene
def queries(place: Place, note: Note) -> None:
    monitor = connect(place)
    for line in (
        *("query-kvm", "query-mice", "query-status", "query-name", "query-uuid"),
        *("query-version", "query-vnc", "query-target", "query-stats-schemas"),
        *("query-stats target=vm", "query-stats target=vcpu", "query-pci"),
        *("query-commands", "query-machines"),
        *("device-list-properties typename=virtio-balloon-pci",),
        *("qom-list-types implements=conventional-pci-device",),
        *("qom-list-types implements=pci-express-device",),
        *("qom-list-types implements=pci-device", "query-block"),
        *("human-monitor-command command-line=info kvm", "subcommands"),
        *("human-monitor-command command-line=info nosuch", "query-nosuch"),
        *("query-status; query-name", "query-memory-devices", "query-rocker name=x"),
    ):
        told = tried(monitor.send_args_cmd, line)
        note([line, told])
    note(shape(monitor.send_args_cmd("query-blockstats")))
    options = monitor.send_args_cmd("query-command-line-options")
    # SPICE is a module of QEMU's, which is not everywhere.
    note([option for option in options if option["option"] != "spice"])
    schema = monitor.send_args_cmd("query-qmp-schema")
    note(sorted(x["name"] for x in schema if not x["name"].isdigit()))


@script.scene
def people_and_programs_are_told_alike(place: Place, note: Note) -> None:
    monitor, human = connect(place), connect_human(place)
    for name in ("version", "status", "kvm", "name", "uuid", "mice", "block", "vnc"):
        note([name, human.info(name)])
        note(human.send_args_cmd(f"info {name}"))
    said = re.findall("^CPU #.|^[*] CPU #.", human.info("cpus"), re.MULTILINE)
    note(len(said) == len(monitor.query("cpus-fast")))
    note(re.sub("thread_id=[0-9]+", "thread_id", human.info("cpus")))


@script.scene
def commands_with_a_command_around(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.send_args_cmd("stop"))
    note(monitor.send_args_cmd("query-status"))
    note(monitor.send_args_cmd("cont"))
    note(monitor.send_args_cmd("query-status"))
    for name in ("memsave", "pmemsave"):
        path = pathlib.Path(place.file(name))
        line = f"{name} val=0, size=4096, filename={path}"
        note(tried(monitor.send_args_cmd, line))
        note([path.exists(), path.stat().st_size if path.exists() else 0])
        note(tried(monitor.send_args_cmd, line.replace("4096", "x")))
        note(tried(monitor.send_args_cmd, f"{name} val=0, size=4096"))
        note(tried(monitor.send_args_cmd, line.replace(place.file(name), "/none/x")))
    image = place.image("device.raw", 1 << 20)
    line = f"drive_add 0 if=none,file={image},format=raw,id=drive01"
    note(tried(monitor.human_monitor_cmd, line))
    line = "device_add driver=virtio-blk-pci,drive=drive01,id=device01"
    note(tried(monitor.send_args_cmd, line))
    note(shape(monitor.send_args_cmd("query-block"))[-1])
    note(tried(monitor.send_args_cmd, line))
    note(tried(monitor.send_args_cmd, "block_resize device=drive01, size=2097152"))
    note(pathlib.Path(image).stat().st_size)
    note(tried(monitor.send_args_cmd, "device_del id=device01"))
    note(tried(monitor.send_args_cmd, "device_del id=device01"))
    note(tried(monitor.send_args_cmd, "device_del id=none"))
    line = "netdev_add type=user,id=netdev01"
    note(tried(monitor.send_args_cmd, line))
    line = "device_add driver=e1000,netdev=netdev01,id=nic01,mac=52:54:00:00:00:99"
    note(tried(monitor.send_args_cmd, line))
    note(_networks(monitor))
    line = "device_del id=nic01; netdev_del id=netdev01"
    note(tried(monitor.send_args_cmd, line))
    note(_networks(monitor))


@script.scene
def events(place: Place, note: Note) -> None:
    monitor, human = connect(place), connect_human(place)

    def found(name: str) -> Any:
        """The firmware resets once more after a reset; that is the guest's own."""
        for event in monitor.get_events():
            if event["event"] == name and not event.get("data", {}).get("guest"):
                return event
        return None

    def told(name: str) -> Any:
        event = until(lambda: found(name))
        del event["timestamp"]
        monitor.clear_events()
        return event

    monitor.clear_events()
    note(monitor.send_args_cmd("system_reset"))
    note(told("RESET"))
    note(monitor.send_args_cmd("system_powerdown"))
    note(told("POWERDOWN"))
    note(human.send_args_cmd("stop"))
    note(told("STOP"))
    note(human.send_args_cmd("c"))
    note(told("RESUME"))
    note(human.send_args_cmd("watchdog_action none"))
    note(human.send_args_cmd("nmi"))
    note(human.send_args_cmd("system_reset"))
    note(told("RESET"))
    # Not quit: QEMU may reset the connection before its last words are read.


script.play()
