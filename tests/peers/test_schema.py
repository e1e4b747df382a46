"""Schemas of QEMU: all files are valid, and say what the programs tell of themselves.

A program does not tell which symbols its build defines. They follow from what is there
of what has a condition; with them, the files give what ``query-qmp-schema`` returns,
down to the numbers of the types and the order of all.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.qapi.builds import resolved
from qmpx.qapi.conditions import AllOf, AnyOf, Defined, Not
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.language import load_schema
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    Command,
    EnumType,
    EnumValue,
    Event,
    Member,
    ObjectType,
)
from tests.conftest import SCHEMAS
from tests.peers.conftest import wait_for
from tests.programs import qmpx as program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qmpx.qapi.conditions import Condition
    from qmpx.qapi.introspection import SchemaInfo
    from qmpx.qapi.model import Schema
    from tests.peers.conftest import StartQemu

    Part = Member | EnumValue | Branch

FILES = sorted(
    str(path.relative_to(SCHEMAS)) for path in SCHEMAS.glob("**/qapi-schema.json")
)


@pytest.mark.peer("schemas")
@pytest.mark.slow
@pytest.mark.parametrize("file", FILES or ["none"])
def test_a_schema_of_qemu_is_valid(file: str) -> None:
    schema = load_schema(SCHEMAS / file)
    documented = [
        item.name
        for item in (*schema.commands.values(), *schema.events.values())
        if item.documentation and item.documentation.section("Since")
    ]
    assert len(documented) > 30
    told = to_introspection(schema)
    assert to_introspection(from_introspection(told)) == told


class Evidence:
    """Which symbols a build defines, and which not: from what it tells of itself.

    Args:
        schema: The schema from its files.
        live: What the program told.
    """

    def __init__(self, schema: Schema, live: Schema) -> None:
        self.defined: set[str] = set()
        self.undefined: set[str] = set()
        self._schema = schema
        self._live = live
        self._seen: set[tuple[str, str]] = set()
        for item in (*schema.commands.values(), *schema.events.values()):
            found = live.find(item.name)
            self._conclude(item.condition, is_there=found is not None)
            assert found is None or type(found) is type(item)
            calls = Command | Event
            if isinstance(item, calls) and isinstance(found, calls):
                self._compare(item.arguments, found.arguments)
            if isinstance(item, Command) and isinstance(found, Command):
                self._compare(item.returns, found.returns)

    def _conclude(self, condition: Condition | None, *, is_there: bool) -> None:
        match condition:
            case Defined(symbol=symbol):
                (self.defined if is_there else self.undefined).add(symbol)
            case Not(condition=inner):
                self._conclude(inner, is_there=not is_there)
            case AllOf(conditions=inner) if is_there:
                for each in inner:
                    self._conclude(each, is_there=True)
            case AnyOf(conditions=inner) if not is_there:
                for each in inner:
                    self._conclude(each, is_there=False)

    def _compare(self, name: str, live: str) -> None:
        if (name, live) in self._seen:
            return
        self._seen.add((name, live))
        ours, theirs = self._schema.types[name], self._live.types[live]
        assert type(ours) is type(theirs), (name, live)
        match ours, theirs:
            case ArrayType(), ArrayType():
                self._compare(ours.element, theirs.element)
            case EnumType(), EnumType():
                self._parts(ours.values, theirs.values)
            case AlternateType(), AlternateType():
                for our, their in zip(ours.branches, theirs.branches, strict=True):
                    self._compare(our.type, their.type)
            case ObjectType(), ObjectType():
                members = self._schema.members_of(name)
                self._parts(members, theirs.members)
                self._parts(ours.branches, theirs.branches)
            case _:
                pass

    def _parts(self, ours: Iterable[Part], theirs: Iterable[Part]) -> None:
        there = {part.name: part for part in theirs}
        for our in ours:
            their = there.pop(our.name, None)
            self._conclude(our.condition, is_there=their is not None)
            if not isinstance(our, EnumValue) and isinstance(their, Member | Branch):
                self._compare(our.type, their.type)
        assert there == {}  # nothing that the files do not know


def held_against_files(folder: str, told: list[SchemaInfo]) -> Evidence:
    """Compare what a program told with what its files say, element by element."""
    schema = load_schema(SCHEMAS / folder / "qapi-schema.json")
    live = from_introspection(told)
    evidence = Evidence(schema, live)
    assert evidence.defined & evidence.undefined == set()
    ours = to_introspection(schema, symbols=evidence.defined)
    assert [info["name"] for info in ours] == [info["name"] for info in told]
    assert ours == told
    # The same by another way: the schema of the build alone, by structure.
    build = resolved(schema, evidence.defined)
    assert build.commands.keys() == live.commands.keys()
    assert build.events.keys() == live.events.keys()
    assert Evidence(build, live).undefined == set()
    return evidence


@pytest.mark.peer("schemas")
@pytest.mark.slow
def test_the_files_of_7_2_say_what_a_live_qemu_tells(qemu: StartQemu) -> None:
    with qmpx.connect(str(qemu().qmp)) as vm:
        version = vm.execute("query-version")["qemu"]
        if (version["major"], version["minor"]) != (7, 2):
            pytest.skip(f"there are no files of this QEMU: {version}")
        told = vm.execute("query-qmp-schema")
    evidence = held_against_files("7.2.0/qapi", told)
    assert {"CONFIG_POSIX", "CONFIG_LINUX", "TARGET_I386"} <= evidence.defined
    assert {"TARGET_ARM", "TARGET_S390X"} <= evidence.undefined


@contextmanager
def storage_daemon() -> Iterator[Path]:
    """Run a storage daemon, and yield the path of its monitor's socket."""
    # pytest's own tmp_path is too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        socket, stderr = Path(name) / "qmp", Path(name) / "stderr"
        chardev = f"socket,id=qmp,path={socket},server=on,wait=off"
        command = ["qemu-storage-daemon", "--chardev", chardev, "--monitor", "qmp"]
        with (
            stderr.open("wb") as file,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
            ) as process,
        ):
            try:
                wait_for([socket], process, stderr)
                yield socket
            finally:
                process.kill()


@pytest.mark.peer("qemu-storage-daemon", "schemas")
@pytest.mark.slow
def test_the_files_of_7_2_say_what_a_live_storage_daemon_tells() -> None:
    with storage_daemon() as socket, qmpx.connect(str(socket)) as daemon:
        told: Any = daemon.execute("query-qmp-schema")
    evidence = held_against_files("7.2.0/storage-daemon/qapi", told)
    assert {"CONFIG_POSIX", "CONFIG_LINUX"} <= evidence.defined


@pytest.mark.slow
def test_the_command_line_shows_the_schema_of_a_live_qemu(qemu: StartQemu) -> None:
    address = qemu().qmp
    with qmpx.connect(str(address)) as vm:
        told = vm.execute("query-qmp-schema")
    ended = program("schema", "introspect", "--json", address)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == told
    ended = program("schema", "show", address, "block_resize")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "    node-name?: str\n    size: int\n  returns nothing\n" in ended.stdout


@pytest.mark.slow
def test_what_a_live_qemu_tells_is_told_again_from_the_model(qemu: StartQemu) -> None:
    with qmpx.connect(str(qemu().qmp)) as vm:
        told = vm.execute("query-qmp-schema")
    again = to_introspection(from_introspection(told), masked=False)
    # Types that nothing refers to are left over where a condition is not met.
    by_name = {info["name"]: info for info in told}
    assert all(by_name[info["name"]] == info for info in again)
    assert len(told) - len(again) < 10
    numbers = to_introspection(from_introspection(told))
    assert len(numbers) == len(again)
    assert to_introspection(from_introspection(numbers)) == numbers
