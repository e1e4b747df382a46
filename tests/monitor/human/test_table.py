"""Tables of commands: what stands in them and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import qmpx
from qmpx.monitor import CommandRegistry
from qmpx.monitor.human import CommandTable, parse_args_type
from qmpx.monitor.human.parameters import Parameter
from qmpx.monitor.human.table import show_nothing, show_text
from tests.loops import short_directory


def test_an_args_type_is_read() -> None:
    assert parse_args_type("force:-f,device:B,arg:s?,index:i.") == (
        Parameter("force", "-", flag="f", is_optional=True),
        Parameter("device", "B"),
        Parameter("arg", "s", is_optional=True),
        Parameter("index", "i", is_optional=True, is_dotted=True),
    )
    assert parse_args_type("") == parse_args_type(" ") == ()


@pytest.mark.parametrize("text", ["device", "device:", "device:Q", ":s", "a:ss", "a:-"])
def test_what_is_no_args_type_is_refused(text: str) -> None:
    with pytest.raises(TypeError, match="is not NAME:LETTER"):
        parse_args_type(text)


def test_a_command_is_found_by_each_of_its_spellings() -> None:
    commands = CommandTable()

    @commands.command("c|cont", help="go on")
    def cont() -> None: ...

    line = commands.find("c")
    assert line is not None
    assert line is commands.find("cont")
    assert line.qmp_name == "cont"
    assert commands.find("c|cont") is None
    assert list(commands.spellings) == ["c", "cont"]


def test_a_monitor_offers_programs_what_is_not_for_people_alone() -> None:
    table, registry = CommandTable(), CommandRegistry()
    table.human("c|cont", help="")(lambda: None)

    @table.command("f|fill", "cups:i", "cups", help="fill some cups")
    def fill(kettle: list[int], *, cups: int) -> int:
        kettle.append(cups)
        return len(kettle)

    @table.query("cups", help="the cups", show=show_text)
    def query_cups(kettle: list[int]) -> list[int]:
        return kettle

    @registry.command("query-cups")
    def another_for_programs(kettle: list[int]) -> int:
        return sum(kettle)

    monitor = qmpx.Monitor([], commands=registry, human=table)
    assert list(monitor.commands) == ["query-cups", "qmp_capabilities", "fill"]
    with (
        short_directory() as folder,
        monitor.serve_in_thread(folder / "qmp"),
        qmpx.connect(folder / "qmp") as vm,
    ):
        assert vm.execute("fill", cups=3) == 1
        assert vm.execute("query-cups") == 3
        with pytest.raises(qmpx.CommandError, match="'cups', expected: integer"):
            vm.execute("fill", cups="3")


def test_a_spelling_can_be_taken_once() -> None:
    commands = CommandTable()
    commands.human("c|cont", help="")(lambda: None)
    with pytest.raises(TypeError, match="'c' is declared twice"):
        commands.human("c", help="")(lambda: None)
    commands.info("name", help="")(lambda: "")
    with pytest.raises(TypeError, match="'name' is declared twice"):
        commands.info("name", help="")(lambda: "")


@pytest.mark.parametrize(
    ("args_type", "default"), [("value:i", 0), ("value:i?", ...), ("other:i", ...)]
)
def test_a_handler_must_take_what_the_args_type_gives(
    args_type: str, default: Any
) -> None:
    def with_default(*, value: int = 0) -> None: ...

    def without(*, value: int) -> None: ...

    handler = without if default is ... else with_default
    with pytest.raises(TypeError, match=r"the args_type .* gives"):
        CommandTable().human("c", args_type, help="")(handler)


def test_tables_are_joined_with_all_that_belongs_to_them() -> None:
    one, other = CommandTable(), CommandTable()
    one.human("a", help="")(lambda: None)
    other.info("b", help="")(lambda: "")
    other.completions["B"] = lambda _, __: []
    other.further_help["a"] = "more\n"
    other.read_register = lambda _, __: 1
    joined = CommandTable(one, other)
    assert [*joined.commands, *joined.items] == ["a", "b"]
    assert joined.completions.keys() == {"B"}
    assert joined.further_help == {"a": "more\n"}
    assert joined.read_register is other.read_register


def test_a_table_is_sorted_and_the_others_come_last() -> None:
    commands = CommandTable()
    for name in "abc":
        commands.human(name, help="")(lambda: None)
        commands.info(name, help="")(lambda: "")
    commands.sort(["c", "a"], ["b"])
    assert "".join(commands.commands) == "cab"
    assert "".join(commands.items) == "bac"
    with pytest.raises(KeyError):
        commands.sort(["z"], [])


def test_what_qmp_has_are_commands_and_queries() -> None:
    commands = CommandTable()
    commands.command("q|quit", help="")(lambda: None)
    commands.human("help", help="")(lambda: None)
    commands.query("name", help="", show=str)(lambda: {"name": "box"})
    commands.info("history", help="")(lambda: "")
    assert [line.qmp_name for line in commands.for_qmp()] == ["quit", "query-name"]


def test_texts_are_shown_and_the_rest_is_not() -> None:
    assert (show_text("a\n"), show_text(None), show_nothing({})) == ("a\n", "", "")
