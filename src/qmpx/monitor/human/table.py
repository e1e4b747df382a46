"""One table of commands for two front ends, as the monitor of 2010 had it.

::

    commands = CommandTable()

    @commands.command("eject", "force:-f,device:B", "[-f] device", help="...")
    def eject(machine: Machine, *, force: bool = False, device: str) -> None: ...

The decorated function is handed back as it was. A handler neither prints nor builds
JSON: QMP sends what it returned, the human monitor prints what ``show`` makes of it.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from qmpx.monitor.human.parameters import Parameter, parse_args_type
from qmpx.monitor.registry import Handler, wants_session

if TYPE_CHECKING:
    from qmpx.monitor.human.editor import Completions

HandlerT = TypeVar("HandlerT", bound=Handler)
Show = Callable[[Any], str]
Complete = Callable[[Any, str], "Iterable[str] | Completions"]

QUERY: Final = "query-"
"""What QMP puts before the name of an info item."""


class HumanCommand:
    """A line of the table: a command, or an item of ``info``.

    Attributes:
        name: As the table has it, with ``|`` between its spellings.
        names: The spellings.
        args_type: What a human types after it, in the args_type language.
        parameters: The same, read.
        syntax: The same, for ``help``.
        help: What it does, a phrase.
        handler: The function.
        show: What a human gets to read of what the handler returned.
        human: What runs instead of the handler for a human, to prompt or to wait.
        is_asynchronous: Whether its reply may come after those of later commands.
        qmp_name: Its name in QMP; ``None`` if it is for humans only.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        *,
        args_type: str,
        syntax: str,
        help: str,  # noqa: A002 - the name of the thing
        show: Show,
        human: Callable[..., Awaitable[Any]] | None = None,
        is_asynchronous: bool = False,
        qmp_name: str | None = None,
    ) -> None:
        self.name = name
        self.names = tuple(name.split("|"))
        self.args_type = args_type
        self.parameters: tuple[Parameter, ...] = parse_args_type(args_type)
        self.syntax = syntax
        self.help = help
        self.handler = handler
        self.show = show
        self.human = human
        self.is_asynchronous = is_asynchronous
        self.qmp_name = qmp_name
        self._wants = _check_signature(self, handler)
        self._human_wants = () if human is None else _check_signature(self, human)

    def call(self, session: Any, arguments: dict[str, Any]) -> Any:
        """Call the handler for *session*; a coroutine function gives its coroutine."""
        return self.handler(*_given(self._wants, session), **arguments)

    def call_for_human(self, session: Any, arguments: dict[str, Any]) -> Any:
        """Call what a human's line runs: ``human`` where there is one."""
        if self.human is None:
            return self.call(session, arguments)
        return self.human(*_given(self._human_wants, session), **arguments)


def _given(wants: tuple[bool, ...], session: Any) -> list[Any]:
    return [session if want else session.monitor.target for want in wants]


def _check_signature(command: HumanCommand, handler: Handler) -> tuple[bool, ...]:
    """Return which positional parameters of *handler* are the session.

    Raises:
        TypeError: Its keywords are not those of the args_type.
    """
    hints = get_type_hints(handler)
    wants: list[bool] = []
    keywords: dict[str, bool] = {}
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            keywords[parameter.name] = parameter.default is not parameter.empty
        else:
            wants.append(wants_session(hints.get(parameter.name, Any)))
    expected = {p.name: p.is_optional for p in command.parameters}
    if keywords != expected:
        message = (
            f"{command.name}: the args_type {command.args_type!r} gives "
            f"{expected}, the handler takes {keywords} (name: may be left out)"
        )
        raise TypeError(message)
    return tuple(wants)


def show_nothing(_: Any) -> str:
    """Show nothing of what a handler returned."""
    return ""


def show_text(text: str | None) -> str:
    """Show the text that a handler returned."""
    return text or ""


class CommandTable:
    """Commands and ``info`` items by their names, in the order of their declaration.

    Args:
        others: Tables whose lines are taken over.

    Attributes:
        commands: The commands, by the names that the table has.
        items: The items of ``info``.
        completions: What completes a parameter: by letter, or by ``command:parameter``.
            Each is called with the session and what has been typed of the word, and
            gives whole words, or `Completions` if it is only a part that it completes.
        further_help: More lines of help for a command, by the table's name for it.
        early: The commands, and the items as ``info NAME``, that may be run while the
            machine is being built.
        is_modern: Whether lines are read as QEMU 7.2 reads them: items of ``info`` take
            arguments, and what is wrong with a line points to the help.
        read_register: The value of a ``$register`` for a session, for expressions.
    """

    def __init__(self, *others: "CommandTable") -> None:
        self.commands: dict[str, HumanCommand] = {}
        self.items: dict[str, HumanCommand] = {}
        self.completions: dict[str, Complete] = {}
        self.further_help: dict[str, str] = {}
        self.read_register: Callable[[Any, str], int] | None = None
        self.is_modern = False
        self.early: frozenset[str] = frozenset()
        self._by_spelling: dict[str, HumanCommand] = {}
        for other in others:
            for line in other.commands.values():
                self.add_command(line)
            for item in other.items.values():
                self.add_item(item)
            self.completions.update(other.completions)
            self.further_help.update(other.further_help)
            self.read_register = other.read_register or self.read_register
            self.is_modern = other.is_modern or self.is_modern
            self.early |= other.early

    def find(self, name: str) -> HumanCommand | None:
        """Return the command of that spelling, or ``None``."""
        return self._by_spelling.get(name)

    def find_item(self, name: str) -> HumanCommand | None:
        """Return the item of ``info`` of that name, or ``None``."""
        return self.items.get(name)

    def is_early(self, line: HumanCommand) -> bool:
        """Whether a line may be run while the machine is being built."""
        if self.items.get(line.name) is line:
            return f"info {line.name}" in self.early
        return line.name in self.early

    @property
    def spellings(self) -> Iterable[str]:
        """All spellings of all commands, to complete from."""
        return self._by_spelling.keys()

    def for_qmp(self) -> Iterator[HumanCommand]:
        """Yield the lines that QMP has too: commands, then queries."""
        for line in (*self.commands.values(), *self.items.values()):
            if line.qmp_name is not None:
                yield line

    def sort(self, commands: Iterable[str], items: Iterable[str]) -> None:
        """Bring the table into an order, that of ``help`` and of ``query-commands``.

        Raises:
            KeyError: A name is not in the table. Lines that are not named come last.
        """
        self.commands = {
            **{name: self.commands[name] for name in commands},
            **self.commands,
        }
        self.items = {**{name: self.items[name] for name in items}, **self.items}

    def add_command(self, line: HumanCommand) -> None:
        """Enter a command.

        Raises:
            TypeError: One of its spellings is taken.
        """
        taken = [name for name in line.names if name in self._by_spelling]
        if taken:
            message = f"command {taken[0]!r} is declared twice"
            raise TypeError(message)
        self.commands[line.name] = line
        self._by_spelling.update(dict.fromkeys(line.names, line))

    def add_item(self, item: HumanCommand) -> None:
        """Enter an item of ``info``.

        Raises:
            TypeError: Its name is taken.
        """
        if item.name in self.items:
            message = f"info item {item.name!r} is declared twice"
            raise TypeError(message)
        self.items[item.name] = item

    def command(
        self,
        name: str,
        args_type: str = "",
        syntax: str = "",
        *,
        help: str,  # noqa: A002 - the name of the thing
        show: Show = show_nothing,
        human: Callable[..., Awaitable[Any]] | None = None,
        asynchronous: bool = False,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a command of both front ends; QMP knows it by its last spelling.

        Args:
            name: Its spellings, with ``|`` between them.
            args_type: What a human types after it; QMP's arguments have these names.
            syntax: The same, for ``help``.
            help: What it does, a phrase.
            show: What a human gets to read of what the handler returned.
            human: A coroutine function that runs instead of the handler for a human.
            asynchronous: Whether its reply may come after those of later commands.
        """
        return self._enter(
            self.add_command,
            name,
            args_type=args_type,
            syntax=syntax,
            help=help,
            show=show,
            human=human,
            is_asynchronous=asynchronous,
            qmp_name=name.rpartition("|")[2],
        )

    def query(
        self,
        name: str,
        *,
        help: str,  # noqa: A002
        show: Show,
        human: Callable[..., Awaitable[Any]] | None = None,
        asynchronous: bool = False,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare QMP's ``query-NAME``, for humans ``info NAME``; see `command`."""
        return self._enter(
            self.add_item,
            name,
            args_type="",
            syntax="",
            help=help,
            show=show,
            human=human,
            is_asynchronous=asynchronous,
            qmp_name=QUERY + name,
        )

    def human(
        self,
        name: str,
        args_type: str = "",
        syntax: str = "",
        *,
        help: str,  # noqa: A002
        show: Show = show_text,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a command for humans only; its handler returns text, or nothing.

        It may be a coroutine function: the prompt comes when it is done.
        """
        return self._enter(
            self.add_command,
            name,
            args_type=args_type,
            syntax=syntax,
            help=help,
            show=show,
        )

    def info(
        self,
        name: str,
        args_type: str = "",
        syntax: str = "",
        *,
        help: str,  # noqa: A002
        show: Show = show_text,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare an item of ``info`` for humans only; its handler returns text.

        What it takes is read in modern tables only: see `is_modern`.
        """
        return self._enter(
            self.add_item,
            name,
            args_type=args_type,
            syntax=syntax,
            help=help,
            show=show,
        )

    @staticmethod
    def _enter(
        add: Callable[[HumanCommand], None], name: str, **properties: Any
    ) -> Callable[[HandlerT], HandlerT]:
        def register(handler: HandlerT) -> HandlerT:
            add(HumanCommand(name, handler, **properties))
            return handler

        return register
