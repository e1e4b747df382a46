"""avocado-vt's monitor of a guest agent."""

import base64
import functools
import importlib
import pathlib
from typing import Any

from tests.peers.clients.avocado_machine import Machine
from tests.peers.clients.playing import Note, Place, Script, tried, until

agents: Any = importlib.import_module("virttest.guest_agent")

script = Script()


def connect(place: Place) -> Any:
    """Return a monitor of the agent, which is asked for all its commands."""
    vm = Machine(has_blockdev=True)
    named = {"monitor_filename": place.qmp}
    agent = agents.QemuAgent(vm, "org.qemu.guest_agent.0", "virtio", named, True)  # noqa: FBT003
    place.opened.append(agent)
    return agent


@script.scene
def greets(place: Place, note: Note) -> None:
    agent = connect(place)
    note(agent.verify_responsive())
    for mode in ("guest-sync", "guest-sync-delimited"):
        note(tried(agent.sync, mode))
    for name in ("guest-ping", "guest-exec", "nosuch"):
        note(tried(agent.check_has_command, name))
    note(sorted(agent._supported_cmds))  # noqa: SLF001 - what it has understood
    note(tried(agent.cmd, "guest-ping", {"x": 1}))
    note(agent.cmd_raw('{"execute": "guest-ping"}'))
    note(agent.cmd_obj({"execute": "nosuch"}))
    note(agent.get_fsfreeze_status())
    note(agent.verify_fsfreeze_status("thawed"))


@script.scene
def files(place: Place, note: Note) -> None:
    agent = connect(place)
    # The real agent's guest is this host, and the other's has no such folder.
    path = f"/tmp/of-{pathlib.Path(place.folder).parent.name}"
    handle = agent.guest_file_open(path, mode="w+")
    note(agent.guest_file_write(handle, base64.b64encode(b"hello world").decode()))
    note(agent.guest_file_write(handle, base64.b64encode(b"12345").decode(), count=3))
    note(agent.guest_file_flush(handle))
    note(agent.guest_file_seek(handle, 6, 0))
    note(agent.guest_file_read(handle, count=5))
    note(agent.guest_file_seek(handle, -2, 2))
    note(agent.guest_file_read(handle))
    note(agent.guest_file_read(handle))
    note(agent.guest_file_close(handle))
    note(str(tried(agent.guest_file_read, handle)).replace(str(handle), "N"))
    note(tried(agent.guest_file_open, "/nosuch/file"))
    pathlib.Path(path).unlink(missing_ok=True)


def _ended(agent: Any, pid: int) -> Any:
    status = agent.guest_exec_status(pid)
    return status if status["exited"] else None


@script.scene
def programs(place: Place, note: Note) -> None:
    agent = connect(place)
    for path, words in (
        ("/bin/echo", ["hello"]),
        ("echo", ["a", "b"]),
        ("/bin/false", []),
        ("/bin/sh", ["-c", "echo err >&2; exit 3"]),
        ("cat", []),
    ):
        data = base64.b64encode(b"given").decode() if path == "cat" else None
        named = {"input_data": data} if data else {}
        told = agent.guest_exec(path, arg=words, capture_output=True, **named)
        note([path, until(functools.partial(_ended, agent, told["pid"]))])
    note(tried(agent.guest_exec, "/nosuch"))
    note(tried(agent.guest_exec_status, 1))


@script.scene
def facts(place: Place, note: Note) -> None:
    agent = connect(place)
    note(sorted(agent.get_osinfo().keys() - {"variant", "variant-id"}))
    note(sorted(agent.get_timezone()))
    note(type(agent.get_time()).__name__)
    note(sorted(agent.get_host_name()))
    note({key for cpu in agent.get_vcpus() for key in cpu} >= {"logical-id", "online"})
    note("lo" in [each["name"] for each in agent.get_network_interface()])
    note(type(agent.get_users()).__name__)
    note(tried(agent.set_vcpus, []))


script.play()
