"""Figures of the gateway: what it adds to one command, and what goes through it.

All ways lead to one bare responder: ``direct``, and through gateways of different
equipment. They take turns within each round, so what a gateway adds is the difference
of two figures taken within a second.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmarks.loads import LoadFailed, run_load
from benchmarks.servers import ServerFailed, serve, share

if TYPE_CHECKING:
    from benchmarks.lab import Lab
    from benchmarks.servers import Server

NAMES: Final = tuple(
    f"gateway.{name}"
    for name in ("seq", "memory", "crowd64", "single", "stream", "bursts")
)
CLIENTS: Final = 1_000  # who listen
_DIRECT: Final = "direct"
_PLAIN: Final = "qmpx"
_SPARE: Final = 10  # more clients than are counted
_EQUIPMENT: Final = {
    _PLAIN: "",
    "qmpx-role": '[[listener]]\naddress = "{place}"\nrole = "observe"\n',
    "qmpx-audit": '[audit]\npath = "{folder}/audit.jsonl"\n',
    "qmpx-journal": '[journal]\npath = "{folder}/events.journal"\n',
}
# One event, awaited by all before the next; single events that do not wait for each
# other; and events that are caused together.
_EVENTS: Final = {
    "gateway.single": {"ops": 200, "depth": 1, "apart": 1},
    "gateway.stream": {"ops": 400, "depth": 1, "apart": 1, "ahead": 16},
    "gateway.bursts": {"ops": 1280, "depth": 64, "apart": 1},
}
_COMMANDS: Final = 2_000  # in one turn: half a second at most
_TURNS: Final = 2  # in each round: the shorter the turns the more alike


def measure_gateways(lab: Lab) -> None:
    """Take the figures of the gateway."""
    wanted = [name for name in NAMES if lab.wants(name)]
    if not wanted:
        return
    try:
        if NAMES[0] in wanted:
            with lab.one_core():
                _one_at_a_time(lab)
        many = [name for name in wanted if name in _LOADS]
        if lab.compiler and many:
            _many(lab, many)
    except ServerFailed as error:
        lab.samples.remark(f"gateway: {error}")


def _one_at_a_time(lab: Lab) -> None:
    """Ask directly and through each gateway, in turns."""
    with ExitStack() as stack:
        responder = stack.enter_context(serve(lab, "responder"))
        ways = {_DIRECT: responder}
        for subject, text in _EQUIPMENT.items():
            options = _configure(lab, subject, text)
            gateway = share(lab, subject, responder.addresses[0], *options)
            ways[subject] = stack.enter_context(gateway)
        for number in range(_TURNS * lab.rounds):
            lab.note(f"one command, turn {number + 1} of {_TURNS * lab.rounds}")
            _turn(lab, ways)


def _configure(lab: Lab, subject: str, text: str) -> list[str]:
    if not text:
        return []
    folder = lab.scratch / subject
    folder.mkdir()
    file = folder / "share.toml"
    if "role" in text:
        return ["--role", "observe"]
    file.write_text(text.format(folder=folder))
    return ["--config", str(file)]


def _turn(lab: Lab, ways: dict[str, Server]) -> None:
    options = {"ops": lab.scale(_COMMANDS), "warm": 200}
    direct = 0.0
    for subject, server in ways.items():
        try:
            load = run_load(lab, "seq", server, options)
        except LoadFailed as error:
            lab.samples.remark(f"gateway.seq: {subject} failed: {error}")
            continue
        p50 = load.figures["p50_ns"] / 1000
        lab.samples.add("gateway.seq.p50", subject, p50)
        lab.samples.add("gateway.seq.cpu", subject, load.cpu_us)
        if subject == _DIRECT:
            direct = p50
        elif direct:
            lab.samples.add("gateway.seq.added", subject, p50 - direct)


def _many(lab: Lab, wanted: list[str]) -> None:
    """Ask from many clients at once, and tell many of events."""
    with serve(lab, "responder") as responder:
        upstream = responder.addresses[0]
        places = "--clients", str(CLIENTS + _SPARE)
        for number in range(lab.rounds):
            lab.note(f"gateway to many, round {number + 1} of {lab.rounds}")
            with share(lab, _PLAIN, upstream, *places) as gateway:
                for name in wanted:
                    try:
                        _LOADS[name](lab, name, responder, gateway)
                    except LoadFailed as error:
                        lab.samples.remark(f"{name}: {error}")


def _weigh(lab: Lab, name: str, responder: Server, gateway: Server) -> None:
    for subject, server in ((_DIRECT, responder), (_PLAIN, gateway)):
        options = {"sessions": CLIENTS, "ops": CLIENTS}
        load = run_load(lab, "crowd", server, options)
        each = load.growth("empty", "open") / CLIENTS / 1000
        lab.samples.add(f"{name}.each", subject, each)


def _crowd(lab: Lab, name: str, responder: Server, gateway: Server) -> None:
    options = {"sessions": 64, "ops": lab.scale(32_000)}
    for subject, server in ((_DIRECT, responder), (_PLAIN, gateway)):
        load = run_load(lab, "crowd", server, options)
        lab.samples.add(f"{name}.rate", subject, load.rate)
        spent = load.marks["done"].cpu_ns - load.marks["open"].cpu_ns
        lab.samples.add(f"{name}.cpu", subject, spent / load.figures["ops"] / 1000)
        fair = load.figures["least"] / load.figures["most"]
        lab.samples.add(f"{name}.fair", subject, fair)


def _tell(lab: Lab, name: str, responder: Server, gateway: Server) -> None:
    """Cause events at the responder, and count them behind the gateway."""
    options = {"sessions": CLIENTS, **_EVENTS[name]}
    options["ops"] = lab.scale(options["ops"], 4 * options["depth"])
    both = replace(gateway, addresses=(*responder.addresses, *gateway.addresses))
    for subject, server in (("responder", responder), (_PLAIN, both)):
        load = run_load(lab, "events", server, options)
        lab.samples.add(f"{name}.rate", subject, load.rate)
        lab.samples.add(f"{name}.cpu", subject, load.cpu_us)


_LOADS: Final = {
    "gateway.memory": _weigh,
    "gateway.crowd64": _crowd,
    **dict.fromkeys(_EVENTS, _tell),
}
