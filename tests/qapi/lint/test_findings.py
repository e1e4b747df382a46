"""What is missing or deprecated of what was used."""

from __future__ import annotations

import pytest

from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.lint import findings, uses_in_python, uses_in_transcript
from tests.qapi.generated import schema_of

SCHEMA = schema_of("""
{ 'pragma': { 'command-name-exceptions': [ 'block_resize', 'device_add' ] } }
{ 'enum': 'Mode', 'data': [ 'fast', { 'name': 'slow', 'features': [ 'deprecated' ] } ] }
{ 'struct': 'File', 'data': { 'path-name': 'str', '*in': 'Mode' } }
{ 'struct': 'Net', 'data': { 'host': 'str' } }
{ 'enum': 'Kind', 'data': [ 'file', 'net-work', 'none' ] }
{ 'union': 'Node', 'base': { 'kind': 'Kind', '*label': 'str' },
  'discriminator': 'kind', 'data': { 'file': 'File', 'net-work': 'Net' } }
{ 'alternate': 'NodeRef', 'data': { 'name': 'str', 'node': 'Node' } }
{ 'alternate': 'ModeOrNumber', 'data': { 'mode': 'Mode', 'number': 'int' } }
{ 'command': 'node-add', 'data': 'Node', 'boxed': true }
{ 'command': 'node-link', 'data': { 'nodes': [ 'NodeRef' ], '*how': 'ModeOrNumber' } }
{ 'command': 'block_resize',
  'data': { 'node-name': 'str', '*timeout-ms': 'int',
            '*device': { 'type': 'str', 'features': [ 'deprecated' ] } } }
{ 'command': 'old', 'features': [ 'deprecated' ] }
{ 'command': 'device_add', 'data': { 'driver': 'str' }, 'gen': false }
{ 'event': 'NODE_GONE', 'data': { 'node': 'str' } }
{ 'event': 'OLD_NEWS', 'features': [ 'deprecated' ] }
{ 'event': 'STOP' }
""")


def found(source: str) -> list[str]:
    """Return what is found in a line of Python, with its column."""
    return [
        f"{finding.column} {finding.verdict} {finding.what}"
        for finding in findings(SCHEMA, uses_in_python(source))
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('vm.execute("stop")', "12 missing command 'stop'"),
        ('vm.execute("old")', "12 deprecated command 'old'"),
        ('vm.execute("block_resize", node_name="a", timeout=3)', ""),
        ('vm.execute("block_resize", {"node-name": "a"})', ""),
        (
            'vm.execute("block_resize", {"node_nam": "a"})',
            "29 missing argument 'node_nam' of 'block_resize'",
        ),
        (
            'vm.execute("block_resize", size=1)',
            "28 missing argument 'size' of 'block_resize'",
        ),
        (
            'vm.execute("block_resize", device="a")',
            "28 deprecated argument 'device' of 'block_resize'",
        ),
        (
            'vm.exec_oob("block_resize", **{"size": 1}, **more)',
            "32 missing argument 'size' of 'block_resize'",
        ),
        (
            'qmp.execute("block_resize", arguments={"size": 1}, oob=True)',
            "40 missing argument 'size' of 'block_resize'",
        ),
        (
            'vm.cmd("block_resize", dict(size=1))',
            "29 missing argument 'size' of 'block_resize'",
        ),
        ('vm.execute(name, size=1); vm.execute(); vm.execute(f"{x}")', ""),
        ('cursor.execute("select stop from traffic")', ""),
        ('vm.execute("device_add", id="x", anything=1)', ""),
        (
            'vm.execute_many(["stop", ("old", {}), name, ("block_resize", {"a": 1})])',
            (
                "18 missing command 'stop'; 27 deprecated command 'old'; "
                "63 missing argument 'a' of 'block_resize'"
            ),
        ),
        # Unions, alternates, lists and values.
        (
            'vm.execute("node-add", kind="file", path_name="x", in_="fast")',
            "",
        ),
        (
            'vm.execute("node-add", kind="file", host="x")',
            "37 missing argument 'host' of 'node-add'",
        ),
        ('vm.execute("node-add", kind=kind, host="x")', ""),
        (
            'vm.execute("node-add", kind="tape")',
            "29 missing value 'tape' of argument 'kind' of 'node-add'",
        ),
        (
            'vm.execute("node-link", nodes=["a", {"kind": "file", "in": "slow"}])',
            "60 deprecated value 'slow' of argument 'nodes[].in' of 'node-link'",
        ),
        (
            'vm.execute("node-link", nodes=[{"kind": "none", "host": 1}])',
            "49 missing argument 'nodes[].host' of 'node-link'",
        ),
        (
            'vm.execute("node-link", nodes=[], how="quick")',
            "39 missing value 'quick' of argument 'how' of 'node-link'",
        ),
        # Messages.
        (
            '{"execute": "block_resize", "arguments": {"size": 1}}',
            "43 missing argument 'size' of 'block_resize'",
        ),
        ('{"exec-oob": "stop"}', "14 missing command 'stop'"),
        ('{"execute": "stop it"}', ""),
        ('{"event": "NODE_GON"}', "11 missing event 'NODE_GON'"),
        # Events.
        ('vm.events("NODE_GONE", "NODE_*", "*")', ""),
        ('vm.events("NODE_CAME")', "11 missing event 'NODE_CAME'"),
        ('vm.events("JOB_*")', "11 missing every event like 'JOB_*'"),
        (
            'vm.events_wait([("OLD_NEWS", None)], names=["STOP", "NO_STOP"])',
            "53 missing event 'NO_STOP'",
        ),
        ('vm.wait_for("OLD_NEWS")', "13 deprecated event 'OLD_NEWS'"),
        ('event["event"] == "STOPP"', "19 missing event 'STOPP'"),
        ('event["device"] == "STOPP"', ""),
        ('logger.event("anything at all")', ""),
        # Declarations.
        ('@monitor.command("mine")\ndef mine(): pass', ""),
        # A column is one of characters.
        ('f("é", vm.execute("stop"))', "19 missing command 'stop'"),
    ],
)
def test_a_use_in_python_is_held_against_the_schema(source: str, expected: str) -> None:
    assert "; ".join(found(source)) == expected


IMPORT = "from qmpx.qapi.bindings import qemu_9_2 as q; "
NAMES = "from qmpx.qapi.bindings.qemu_9_2 import node_add, NodeGone, Mode; "


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"{IMPORT}q.block_resize(node_name='a')", ""),
        (
            f"{IMPORT}q.block_resize(node_nam='a')",
            "62 missing argument 'node_nam' of 'block_resize'",
        ),
        (f"{IMPORT}vm.run(q.stop())", "54 missing command 'stop'"),
        ("vm.run(mine.stop(), timeout=3)", "8 missing command 'stop'"),
        ("vm.run(self.stop()); asyncio.run(main())", ""),
        ("vm.run(mine.node_add(kind='file'))", ""),
        (
            "vm.run(mine.node_add(kind='tape'))",
            "27 missing value 'tape' of argument 'kind' of 'node-add'",
        ),
        (f"{NAMES}node_add(Node_net_work(host='a'))", ""),
        (
            f"{IMPORT}q.node_add(q.Node_file(path='a'))",
            "70 missing argument 'path' of 'node-add'",
        ),
        (
            f"{IMPORT}q.node_add(q.Node_tape())",
            "58 missing value 'tape' of argument 'kind' of 'node-add'",
        ),
        (
            f"{IMPORT}vm.events(q.NodeGone, q.NodeCame)",
            "69 missing event 'NodeCame'",
        ),
        (f"{NAMES}vm.events(NodeGone)", ""),
        (
            f"{IMPORT}q.Mode.FAST, q.Mode.QUICK, q.Mode.SLOW, q.Nothing.FAST",
            "60 missing value 'QUICK' of Mode; 74 deprecated value 'slow' of Mode",
        ),
    ],
)
def test_typed_calls_are_held_against_the_schema(source: str, expected: str) -> None:
    assert "; ".join(found(source)) == expected


def test_what_types_are_called_need_not_be_known() -> None:
    masked = from_introspection(to_introspection(SCHEMA))
    source = f'{IMPORT}q.Mode.QUICK; vm.execute("node-add", kind="tape")'
    told = [finding.what for finding in findings(masked, uses_in_python(source))]
    assert told == ["value 'tape' of argument 'kind' of 'node-add'"]


def test_a_transcript_is_held_against_the_schema() -> None:
    text = """\
{"QMP": {"version": {}, "capabilities": []}}
{"execute": "node-add", "arguments": {"kind": "file", "in": "slow"}, "id": "stop"}
{"return": {"execute": "stop"}, "id": 1}

{"timestamp": {}, "event": "NODE_CAME", "data": {}}
{"sent": {"arguments": {"size": 1, "node-name": "block_resize"}, \
"execute": "block_resize"}}
[{"exec-oob": "stop"}, {"execute": 1}, 7]
"""
    told = [
        (finding.line, finding.column, finding.what)
        for finding in findings(SCHEMA, uses_in_transcript(text))
    ]
    assert told == [
        (2, 61, "value 'slow' of argument 'in' of 'node-add'"),
        (5, 28, "event 'NODE_CAME'"),
        (6, 25, "argument 'size' of 'block_resize'"),
        (7, 15, "command 'stop'"),
    ]
