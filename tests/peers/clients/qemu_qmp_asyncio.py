"""qemu.qmp, the asyncio client."""

# ruff: noqa: SLF001 - what the client does within is looked at, too

import asyncio
import contextlib
import importlib
import os
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

from tests.peers.clients.playing import SECONDS, Note, Place, Script, shape

qmp: Any = importlib.import_module("qemu.qmp")

MEBIBYTE = 1 << 20
script = Script()

Talk = Callable[[Any, Note, Place], Awaitable[None]]


def scene(talk: Talk) -> Talk:
    """Make a scene of what a coroutine does with a connected client."""

    def play(place: Place, note: Note) -> None:
        async def converse() -> None:
            client = qmp.QMPClient("player")
            async with asyncio.timeout(3 * SECONDS):
                await client.connect(place.qmp)
                try:
                    await talk(client, note, place)
                finally:
                    # Of what the machine has ended, the client tells in many ways.
                    with contextlib.suppress(EOFError, OSError):
                        await client.disconnect()

        asyncio.run(converse())

    play.__name__ = talk.__name__
    script.scene(play)
    return talk


async def outcome(client: Any, command: str, **arguments: Any) -> Any:
    """Return what a command returned, or how it failed."""
    named = {key.rstrip("_").replace("_", "-"): x for key, x in arguments.items()}
    try:
        return await client.execute(command, named or None)
    except qmp.ExecuteError as error:
        return [error.error_class, str(error)]


async def events_until(listener: Any, name: str, **data: Any) -> list[Any]:
    """Return the events up to one of that name with these data."""
    heard = []
    async with asyncio.timeout(SECONDS):
        async for event in listener:
            told = event.get("data", {})
            heard.append([event["event"], told])
            if event["event"] == name and data.items() <= told.items():
                break
    return heard


@scene
async def greets(client: Any, note: Note, _: Place) -> None:
    greeting = client.greeting._asdict()
    note(greeting["QMP"]["capabilities"])
    note(greeting["QMP"]["version"]["qemu"])
    note(str(client.runstate))
    note(await client.execute("query-version") == greeting["QMP"]["version"])


@scene
async def refuses(client: Any, note: Note, _: Place) -> None:
    note(await outcome(client, "nosuch"))
    note(await outcome(client, "query-status", x=1))
    note(await outcome(client, "qom-get", path="/machine"))
    note(await outcome(client, "qom-get", path="/none", property="x"))
    note(await outcome(client, "qom-list", path=5))
    note(await outcome(client, "device_del", id="none"))
    note(await outcome(client, "migrate-pause"))
    note(await outcome(client, "qmp_capabilities"))


@scene
async def raw_messages(client: Any, note: Note, _: Place) -> None:
    note(await client._raw({"execute": "query-name", "id": "mine"}))
    note(await client._raw(b'{"execute": "query-name"}', assign_id=False))
    messages: list[dict[str, Any]] = [
        {"execute": 1},
        {"arguments": {}},
        {"execute": "stop", "extra": 1},
        {"execute": "stop", "arguments": []},
        {"exec-oob": "query-status"},
        {"execute": "stop", "exec-oob": "stop"},
    ]
    for message in messages:
        note(await client._raw(message))


@scene
async def many_at_once(client: Any, note: Note, _: Place) -> None:
    calls = [client.execute("query-name") for _ in range(100)]
    note(await asyncio.gather(*calls) == [{"name": "testvm"}] * 100)
    mixed = await asyncio.gather(
        *(outcome(client, name) for name in ("query-name", "nosuch", "query-status"))
    )
    note(mixed)


@scene
async def out_of_band(client: Any, note: Note, place: Place) -> None:
    fifo = place.file("fifo")
    os.mkfifo(fifo)
    secret = {"qom-type": "secret", "id": "oob0", "file": fifo}
    blocked = asyncio.ensure_future(client.execute("object-add", secret))
    await asyncio.sleep(0)
    try:
        await client.execute("migrate-pause", oob=True)
    except qmp.ExecuteError as error:
        note(str(error))
    note(blocked.done())
    pathlib.Path(fifo).write_bytes(b"let me in")  # noqa: ASYNC240 - it is waited for
    note(await blocked)
    note(await outcome(client, "object-del", id="oob0"))
    try:
        await client.execute("query-status", oob=True)
    except qmp.ExecuteError as error:
        note(str(error))


@scene
async def stops_and_goes_on(client: Any, note: Note, _: Place) -> None:
    with client.listener(("STOP", "RESUME")) as listener:
        note(await outcome(client, "stop"))
        note([event["event"] for event in listener.clear()])
        note(await outcome(client, "query-status"))
        note(await outcome(client, "cont"))
        note([event["event"] for event in listener.clear()])
        note(await outcome(client, "cont"))
        note(listener.empty())
        note([event["event"] for event in listener.history])


@scene
async def a_reset(client: Any, note: Note, _: Place) -> None:
    with client.listener("RESET") as listener:
        note(await outcome(client, "system_reset"))
        note((await events_until(listener, "RESET", guest=False))[-1])
    with client.listener("POWERDOWN") as listener:
        note(await outcome(client, "system_powerdown"))
        note(await events_until(listener, "POWERDOWN"))
    note(await outcome(client, "query-status"))


@scene
async def the_schema(client: Any, note: Note, _: Place) -> None:
    schema = await client.execute("query-qmp-schema")
    names = {entity["name"] for entity in schema if entity["meta-type"] == "command"}
    told = {each["name"] for each in await client.execute("query-commands")}
    note(sorted(names ^ told))
    note(len(schema))


@scene
async def block_nodes(client: Any, note: Note, place: Place) -> None:
    path = place.image("disk", 16 * MEBIBYTE)
    file = {"driver": "file", "filename": path}
    note(await outcome(client, "blockdev-add", driver="raw", node_name="d", file=file))
    note(await outcome(client, "blockdev-add", driver="null-co", node_name="d"))
    (node,) = [
        x
        for x in await client.execute("query-named-block-nodes")
        if x["node-name"] == "d"
    ]
    node["image"].pop("actual-size")
    node["image"].get("backing-image", {}).pop("actual-size", None)
    note(node)
    note(await outcome(client, "block-dirty-bitmap-add", node="d", name="b"))
    note(await outcome(client, "block-dirty-bitmap-add", node="d", name="b"))
    note(await outcome(client, "block-dirty-bitmap-remove", node="d", name="b"))
    note(await outcome(client, "block-dirty-bitmap-remove", node="d", name="b"))
    note(await outcome(client, "blockdev-del", node_name="d"))
    note(await outcome(client, "blockdev-del", node_name="d"))


@scene
async def jobs(client: Any, note: Note, place: Place) -> None:
    for name in ("one", "two"):
        file = {"driver": "file", "filename": place.image(name, MEBIBYTE)}
        note(await outcome(client, "blockdev-add", node_name=name, **file))
    wanted = {"device": "one", "target": "two", "sync": "full"}
    with client.listener() as listener:
        note(await outcome(client, "blockdev-backup", job_id="b0", **wanted))
        note(await events_until(listener, "JOB_STATUS_CHANGE", id="b0", status="null"))
        kept = {"auto_dismiss": False, "auto_finalize": False}
        note(await outcome(client, "blockdev-backup", job_id="b1", **wanted, **kept))
        note(await events_until(listener, "BLOCK_JOB_PENDING"))
        note(await outcome(client, "query-jobs"))
        note(await outcome(client, "job-dismiss", id="b1"))
        note(await outcome(client, "job-finalize", id="b1"))
        ended = {"id": "b1", "status": "concluded"}
        note(await events_until(listener, "JOB_STATUS_CHANGE", **ended))
        note(await outcome(client, "job-dismiss", id="b1"))
        note(await outcome(client, "query-jobs"))
        options = {"driver": "file", "filename": place.file("made"), "size": MEBIBYTE}
        note(await outcome(client, "blockdev-create", job_id="c0", options=options))
        ended = {"id": "c0", "status": "concluded"}
        await events_until(listener, "JOB_STATUS_CHANGE", **ended)
        note(await outcome(client, "query-jobs"))
        note(await outcome(client, "job-dismiss", id="c0"))
    note(pathlib.Path(place.file("made")).stat().st_size)  # noqa: ASYNC240
    actions = [
        {"type": "block-dirty-bitmap-add", "data": {"node": "one", "name": "a"}},
        {"type": "abort", "data": {}},
    ]
    note(await outcome(client, "transaction", actions=actions))
    note(await outcome(client, "transaction", actions=actions[:1]))
    note(await outcome(client, "block-dirty-bitmap-remove", node="one", name="a"))
    note(await outcome(client, "blockdev-del", node_name="one"))
    note(await outcome(client, "blockdev-del", node_name="two"))


@scene
async def exports(client: Any, note: Note, place: Place) -> None:
    note(await outcome(client, "blockdev-add", driver="null-co", node_name="n0"))
    address = {"type": "unix", "data": {"path": place.file("nbd")}}
    note(await outcome(client, "nbd-server-start", addr=address))
    export = {"type": "nbd", "id": "e0", "node_name": "n0"}
    note(await outcome(client, "block-export-add", **export))
    note(await outcome(client, "block-export-add", **export))
    note(await outcome(client, "query-block-exports"))
    with client.listener("BLOCK_EXPORT_DELETED") as listener:
        note(await outcome(client, "block-export-del", id="e0"))
        note(await events_until(listener, "BLOCK_EXPORT_DELETED"))
    note(await outcome(client, "nbd-server-stop"))
    note(await outcome(client, "nbd-server-stop"))
    note(await outcome(client, "blockdev-del", node_name="n0"))


@scene
async def devices(client: Any, note: Note, _: Place) -> None:
    note(await outcome(client, "device_add", driver="virtio-serial-pci", id="vs"))
    port = {"driver": "virtserialport", "id": "p0", "name": "a", "bus": "vs.0"}
    note(await outcome(client, "device_add", **port))
    note(await outcome(client, "device_add", **port))
    note(await outcome(client, "device_add", driver="nosuch", id="x"))
    listed = await client.execute("qom-list", {"path": "/machine/peripheral"})
    note(sorted(each["name"] for each in listed))
    note(await outcome(client, "qom-get", path="/machine/peripheral/p0", property="nr"))
    with client.listener("DEVICE_DELETED") as listener:
        note(await outcome(client, "device_del", id="p0"))
        note(await events_until(listener, "DEVICE_DELETED", device="p0"))
        note(await outcome(client, "device_del", id="vs"))
        note(await outcome(client, "system_reset"))
        note(await events_until(listener, "DEVICE_DELETED", device="vs"))
    note(await outcome(client, "qom-list", path="/machine/peripheral"))
    listed = await outcome(client, "device-list-properties", typename="virtio-net-pci")
    note(sorted(each["name"] for each in listed))


@scene
async def objects(client: Any, note: Note, _: Place) -> None:
    note(await outcome(client, "object-add", qom_type="iothread", id="io0"))
    note(shape(await outcome(client, "query-iothreads")))
    polls = {"path": "/objects/io0", "property": "poll-max-ns"}
    note(await outcome(client, "qom-set", **polls, value=5))
    note(await outcome(client, "qom-get", **polls))
    note(await outcome(client, "qom-set", **polls, value="x"))
    note(await outcome(client, "object-del", id="io0"))
    note(await outcome(client, "object-del", id="io0"))
    memory = {"qom_type": "memory-backend-ram", "id": "m0", "size": MEBIBYTE}
    note(await outcome(client, "object-add", **memory))
    told = await outcome(client, "query-memdev")
    note(sorted(told, key=lambda each: str(each["id"])))
    note(await outcome(client, "object-del", id="m0"))
    note(len(await client.execute("qom-list-types")))
    note(len(await client.execute("qom-list-types", {"implements": "pci-device"})))


@scene
async def networks(client: Any, note: Note, _: Place) -> None:
    note(await outcome(client, "netdev_add", type="user", id="n0"))
    note(await outcome(client, "netdev_add", type="user", id="n0"))
    note(await outcome(client, "netdev_add", type="nosuch", id="n1"))
    note(await outcome(client, "set_link", name="n0", up=False))
    note(await outcome(client, "set_link", name="none", up=False))
    note(await outcome(client, "netdev_del", id="n0"))
    note(await outcome(client, "netdev_del", id="n0"))


@scene
async def characters(client: Any, note: Note, _: Place) -> None:
    ring = {"type": "ringbuf", "data": {"size": 4096}}
    note(await outcome(client, "chardev-add", id="r0", backend=ring))
    note(await outcome(client, "chardev-add", id="r0", backend=ring))
    note(await outcome(client, "ringbuf-write", device="r0", data="hello"))
    note(await outcome(client, "ringbuf-read", device="r0", size=100))
    told = await outcome(client, "query-chardev")
    note(sorted(each["label"] for each in told))
    note(await outcome(client, "chardev-remove", id="r0"))
    note(await outcome(client, "chardev-remove", id="r0"))
    note(await outcome(client, "chardev-remove", id="serial0"))


@scene
async def processors_and_machines(client: Any, note: Note, _: Place) -> None:
    note(shape(await outcome(client, "query-cpus-fast")))
    note(await outcome(client, "query-hotpluggable-cpus"))
    note(len(await client.execute("query-cpu-definitions")))
    machines = await client.execute("query-machines")
    note([each["name"] for each in machines if each.get("is-default")])
    note(await outcome(client, "query-memory-size-summary"))


@scene
async def pci(client: Any, note: Note, _: Place) -> None:
    (bus,) = await client.execute("query-pci")
    for device in bus["devices"]:
        note([device["slot"], device["function"], device["id"], device["class_info"]])


@scene
async def descriptors(client: Any, note: Note, place: Place) -> None:
    path = place.image("passed", MEBIBYTE)
    fd = os.open(path, os.O_RDWR)
    try:
        note(await outcome(client, "getfd", fdname="f"))
        client.send_fd_scm(fd)
        note(await outcome(client, "getfd", fdname="f"))
        note(await outcome(client, "closefd", fdname="f"))
        note(await outcome(client, "closefd", fdname="f"))
        client.send_fd_scm(fd)
        note(shape(await outcome(client, "add-fd", fdset_id=5, opaque="mine")))
        note(shape(await outcome(client, "query-fdsets")))
        node = {"driver": "file", "node_name": "f", "filename": "/dev/fdset/5"}
        note(await outcome(client, "blockdev-add", **node))
        note(await outcome(client, "remove-fd", fdset_id=5))
        note(shape(await outcome(client, "query-fdsets")))
        note(await outcome(client, "blockdev-del", node_name="f"))
        note(shape(await outcome(client, "query-fdsets")))
        note(await outcome(client, "remove-fd", fdset_id=5))
    finally:
        os.close(fd)


@scene
async def pictures_keys_and_memory(client: Any, note: Note, place: Place) -> None:
    path = pathlib.Path(place.file("screen"))
    note(await outcome(client, "screendump", filename=str(path)))
    note(path.read_bytes()[:2].decode())  # noqa: ASYNC240
    note(await outcome(client, "screendump", filename=str(path), format="png"))
    note(path.read_bytes()[1:4].decode())  # noqa: ASYNC240
    note(await outcome(client, "screendump", filename="/none/x"))
    keys = [{"type": "qcode", "data": "ret"}]
    note(await outcome(client, "send-key", keys=keys))
    keys = [{"type": "qcode", "data": "none"}]
    note(await outcome(client, "send-key", keys=keys))
    path = pathlib.Path(place.file("memory"))
    note(await outcome(client, "pmemsave", val=0, size=4096, filename=str(path)))
    note(path.stat().st_size)


@scene
async def migrates(client: Any, note: Note, place: Place) -> None:
    events = [{"capability": "events", "state": True}]
    note(await outcome(client, "migrate-set-capabilities", capabilities=events))
    told = await outcome(client, "query-migrate-capabilities")
    note(sorted(each["capability"] for each in told if each["state"]))
    note(await outcome(client, "migrate-set-parameters", downtime_limit=500))
    note(await outcome(client, "migrate-set-parameters", compress_level=99))
    note((await outcome(client, "query-migrate-parameters"))["downtime-limit"])
    note(await outcome(client, "query-migrate"))
    uri = f"exec:cat > {place.file('state')}"
    with client.listener(("MIGRATION", "STOP", "RESUME")) as listener:
        note(await outcome(client, "migrate", uri=uri))
        note(await events_until(listener, "MIGRATION", status="completed"))
        told = await outcome(client, "query-migrate")
        note([told["status"], sorted(told), sorted(told["ram"])])
        # It is told while QEMU is busy with the end of it; to go on would break it.
        async with asyncio.timeout(SECONDS):
            # No event tells of it.
            while (await client.execute("query-status"))["status"] != "postmigrate":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        note(await outcome(client, "cont"))
    note(await outcome(client, "migrate", uri="nosuch:x"))
    events[0]["state"] = False
    note(await outcome(client, "migrate-set-capabilities", capabilities=events))


@scene
async def connects_anew(client: Any, note: Note, place: Place) -> None:
    for _ in range(3):
        await client.disconnect()
        await client.connect(place.qmp)
        note(await outcome(client, "query-name"))


@scene
async def quits(client: Any, note: Note, _: Place) -> None:
    with client.listener("SHUTDOWN") as listener:
        note(await outcome(client, "quit"))
        note(await events_until(listener, "SHUTDOWN"))
    try:
        while True:
            await client.execute("query-name")
    except (qmp.QMPError, EOFError, OSError):
        note("gone")


script.play()
