"""vmify's QMPConnection, on anyio: states, and snapshots by the human monitor."""

import importlib
import pathlib
import re
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, refusal, shape, tried

anyio: Any = importlib.import_module("anyio")
qmp: Any = importlib.import_module("vmify.providers.qemu.qmp")
snapshots: Any = importlib.import_module("vmify.providers.qemu.snapshots")

script = Script()

Talk = Callable[[Any, Note, Place], Awaitable[None]]


def scene(talk: Talk) -> Talk:
    """Make a scene of what a coroutine does with a connected client."""

    def play(place: Place, note: Note) -> None:
        async def converse() -> None:
            client = qmp.QMPConnection(pathlib.Path(place.qmp))
            await client.connect()
            try:
                await talk(client, note, place)
            finally:
                await client.disconnect()

        anyio.run(converse)

    play.__name__ = talk.__name__
    script.scene(play)
    return talk


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """Return what something returns, or how it failed."""
    try:
        return await awaitable
    except Exception as error:  # noqa: BLE001 - it is what was seen
        return refusal(error)


@scene
async def queries(client: Any, note: Note, _: Place) -> None:
    note(await client.query_status())
    note(await client.query_block())
    note(sorted(each["label"] for each in await client.query_chardev()))
    note(shape(await client.query_cpus()))
    note(await client.query_memory())
    note(await outcome(client.execute("nosuch")))
    note(await client.human_monitor_command("info status"))
    note(await client.human_monitor_command("nosuch"))


@scene
async def stops(client: Any, note: Note, _: Place) -> None:
    await client.stop()
    note(await client.query_status())
    await client.cont()
    note(await client.query_status())
    await client.system_reset()
    await client.system_powerdown()
    note(await client.query_status())


@scene
async def snapshots_without_a_disk(client: Any, note: Note, _: Place) -> None:
    note(await outcome(snapshots.create_snapshot(client, "one")))
    note(await outcome(snapshots.list_snapshots(client)))
    note(await outcome(snapshots.restore_snapshot(client, "one")))
    note(await outcome(snapshots.delete_snapshot(client, "one")))


@scene
async def snapshots_on_a_disk(client: Any, note: Note, place: Place) -> None:
    path = place.file("disk.qcow2")
    make = ["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"]
    await anyio.run_process(make, stderr=subprocess.DEVNULL)
    disk = {"driver": "qcow2", "node-name": "disk"}
    file = {"driver": "file", "filename": path}
    note(await outcome(client.execute("blockdev-add", {**disk, "file": file})))
    plugged = {"driver": "virtio-blk-pci", "drive": "disk", "id": "vb"}
    note(await outcome(client.execute("device_add", plugged)))
    note(await outcome(snapshots.create_snapshot(client, "one")))
    note(await outcome(snapshots.create_snapshot(client, "two")))
    for listed in await snapshots.list_snapshots(client):
        note(re.sub(r"[0-9]+", "N", str(listed)))
    note(await outcome(snapshots.restore_snapshot(client, "one")))
    note(await client.query_status())
    note(await outcome(snapshots.restore_snapshot(client, "none")))
    note(await outcome(snapshots.delete_snapshot(client, "one")))
    note(await outcome(snapshots.delete_snapshot(client, "none")))
    note([str(each.name) for each in await snapshots.list_snapshots(client)])


@scene
async def a_picture(client: Any, note: Note, place: Place) -> None:
    path = pathlib.Path(place.file("screen"))
    note(await client.human_monitor_command(f"screendump {path}"))
    note(tried(lambda: path.read_bytes()[:2].decode()))


@scene
async def creates(client: Any, note: Note, place: Place) -> None:
    options = {"driver": "file", "filename": place.file("made"), "size": 1 << 20}
    wanted = {"job-id": "c", "options": options}
    note(await outcome(client.execute("blockdev-create", wanted)))
    jobs = await client.execute("query-jobs")
    while jobs[0]["status"] != "concluded":
        jobs = await client.execute("query-jobs")
    note(jobs)
    note(await outcome(client.execute("job-dismiss", {"id": "c"})))


@scene
async def quits(client: Any, note: Note, _: Place) -> None:
    note(await outcome(client.quit_vm()))


script.play()
