"""What a Python program uses: read from its syntax, without running it.

Found are

- calls of methods that run commands, such as ``vm.execute("eject", device="cd0")``:
  those of qmpx's clients, of QEMU's own ``qemu.qmp`` and of its tests' ``vm.qmp``;
- dictionaries that are messages, such as ``{"execute": "eject", "arguments": {...}}``;
- typed calls, ``qapi.eject(device="cd0")``, of modules that are imported from
  ``qmpx.qapi.bindings`` or whose calls are handed to ``run``;
- events: their names where they are subscribed to, waited for, or compared with.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any, Final

from qmpx.errors import SchemaError
from qmpx.qapi.lint.uses import NOTHING, Known, Part, Place, Use

_RUN: Final = frozenset(
    {"execute", "execute_raw", "exec_oob", "cmd", "command", "qmp", "qmp_log"}
)
_RUN_MANY: Final = frozenset({"execute_many"})
_RUN_TYPED: Final = frozenset({"run"})
_OF_THE_CALL: Final = frozenset(
    {"timeout", "fds", "oob", "out_of_band", "conv_keys", "cmd_id", "filters", "indent"}
)
_AWAIT: Final = frozenset(
    {"events", "wait_for", "get_event", "wait_event", "event_wait", "events_wait"}
    | {"listener", "listen", "EventListener"}
)
_MESSAGE_KEYS: Final = ("execute", "exec-oob", "execute_async")
_COMMAND: Final = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")
_EVENT: Final = re.compile(r"[A-Z*?][A-Z0-9_*?\[\]]+")
_BINDINGS: Final = "qmpx.qapi.bindings"


def uses_in_python(text: str, path: str = "<text>") -> Iterator[Use]:
    """Yield what a program uses.

    Args:
        text: The program.
        path: Its file, for messages.

    Raises:
        SchemaError: It is no Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = path if line is None else f"{path}:{line}"
        message = f"{where}: not read as Python: {error}"
        raise SchemaError(message) from None
    reading = _Reading(text.splitlines())
    try:
        reading.visit(tree)
    except RecursionError:
        message = f"{path}: nested too deeply to be read"
        raise SchemaError(message) from None
    return iter(
        sorted(reading.uses, key=lambda use: (use.place.line, use.place.column))
    )


class _Reading(ast.NodeVisitor):
    def __init__(self, lines: list[str]) -> None:
        self.uses: list[Use] = []
        self._lines = lines
        self._modules: set[str] = set()  # names of modules of bindings
        self._imported: dict[str, str] = {}  # from such modules
        self._seen: set[ast.AST] = set()

    # Imports.

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            if name.name.startswith(_BINDINGS) and name.asname:
                self._modules.add(name.asname)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name in node.names:
            if node.module == _BINDINGS:
                self._modules.add(name.asname or name.name)
            elif (node.module or "").startswith(_BINDINGS):
                self._imported[name.asname or name.name] = name.name

    # Declarations look like calls.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._seen.update(node.decorator_list)
        self.generic_visit(node)

    # Uses.

    def visit_Call(self, node: ast.Call) -> None:
        method = _name_of(node.func)
        if node not in self._seen:
            if method in _RUN:
                self._run(node)
            elif method in _RUN_MANY and node.args:
                self._run_many(node.args[0])
            elif method in _AWAIT:
                self._await(node)
            elif (typed := self._of_bindings(node.func)) is not None:
                self._typed(node, typed)
            elif method in _RUN_TYPED and node.args:
                self._run_typed(node.args[0])
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        members = {_string(key): value for key, value in _items(node)}
        for key in _MESSAGE_KEYS:
            name = members.get(key)
            if name is not None and _is_command(_string(name)):
                arguments = members.get("arguments")
                known = NOTHING if arguments is None else self._known(arguments)
                self._use("command", name, str(_string(name)), known)
        event = members.get("event")
        if event is not None and _EVENT.fullmatch(_string(event) or ""):
            self._use("event", event, str(_string(event)))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        if any(
            isinstance(side, ast.Subscript) and _string(side.slice) == "event"
            for side in sides
        ):
            self._events(sides)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        type_name = self._of_bindings(node.value)
        if type_name is not None and node.attr.isupper():
            value = Known(self._place(node), node.attr)
            self._use("value", node, type_name, value)
        self.generic_visit(node)

    def _run(self, node: ast.Call) -> None:
        name = _string(node.args[0]) if node.args else None
        if name is None or not _is_command(name):
            return
        parts: dict[str, Part] = {}
        for given in node.args[1:2]:
            known = self._known(given)
            if isinstance(known.value, dict):
                parts |= known.value
        for keyword in node.keywords:
            if keyword.arg in {"arguments", "args"}:
                known = self._known(keyword.value)
                if isinstance(known.value, dict):
                    parts |= known.value
                    continue
            parts |= self._keyword(keyword)
        known = Known(self._place(node), parts, is_python=True)
        self._use("command", node.args[0], name, known)

    def _run_many(self, node: ast.expr) -> None:
        for each in node.elts if isinstance(node, ast.List | ast.Tuple) else ():
            pair = each.elts if isinstance(each, ast.Tuple) else [each]
            name = _string(pair[0]) if pair else None
            if name is not None and _is_command(name):
                known = self._known(pair[1]) if pair[1:] else NOTHING
                self._use("command", pair[0], name, known)

    def _await(self, node: ast.Call) -> None:
        for given in (*node.args, *(keyword.value for keyword in node.keywords)):
            names = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
            self._events(names)
            for each in names:
                typed = self._of_bindings(each)
                if typed is not None:
                    self._use("event", each, typed, is_python=True)

    def _events(self, nodes: list[ast.expr]) -> None:
        for node in nodes:
            name = _string(node)
            if name is not None and _EVENT.fullmatch(name):
                self._use("event", node, name)

    def _run_typed(self, node: ast.expr) -> None:
        """Take what is handed to ``run`` for a typed call, whatever its module."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            is_plain = isinstance(owner, ast.Name) and owner.id not in {"self", "cls"}
            if is_plain and self._of_bindings(node.func) is None:
                self._typed(node, node.func.attr)

    def _typed(self, node: ast.Call, name: str) -> None:
        if name[:1].isupper():
            return  # a type: it is looked at within the call that takes it
        known = self._constructed(node, "")
        boxed = [self._known(given) for given in node.args[:1]]
        if boxed:
            known = boxed[0]
        self._use("command", node.func, name, known, is_python=True)

    def _use(
        self,
        kind: Any,
        node: ast.expr,
        name: str,
        arguments: Known = NOTHING,
        *,
        is_python: bool = False,
    ) -> None:
        self.uses.append(Use(self._place(node), kind, name, arguments, is_python))

    # Values.

    def _of_bindings(self, node: ast.expr) -> str | None:
        """Return the name in the bindings that something stands for."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr if node.value.id in self._modules else None
        return None

    def _known(self, node: ast.expr) -> Known:
        place = self._place(node)
        match node:
            case ast.Constant(value=str() as text):
                return Known(place, text)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return Known(place, [self._known(each) for each in elements])
            case ast.Dict():
                parts = {
                    name: Part(self._place(key), self._known(value))
                    for key, value in _items(node)
                    if (name := _string(key)) is not None
                }
                return Known(place, parts)
            case ast.Call(func=ast.Name(id="dict")) if not node.args:
                return self._constructed(node, "")
            case ast.Call(func=function):
                name = self._of_bindings(function)
                if name is not None:
                    return self._constructed(node, name.partition("_")[2])
        return Known(place)

    def _constructed(self, node: ast.Call, branch: str) -> Known:
        parts: dict[str, Part] = {}
        for keyword in node.keywords:
            parts |= self._keyword(keyword)
        return Known(self._place(node), parts, is_python=True, branch=branch)

    def _keyword(self, keyword: ast.keyword) -> dict[str, Part]:
        if keyword.arg is None:  # **something
            inner = self._known(keyword.value)
            return inner.value if isinstance(inner.value, dict) else {}
        place = self._place(keyword)
        is_other = keyword.arg in _OF_THE_CALL
        return {keyword.arg: Part(place, self._known(keyword.value), is_other)}

    def _place(self, node: ast.expr | ast.keyword) -> Place:
        # ast counts bytes of UTF-8.
        line = self._lines[node.lineno - 1] if self._lines else ""
        before = line.encode()[: node.col_offset].decode(errors="replace")
        return Place(node.lineno, len(before) + 1)


def _name_of(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _string(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _is_command(name: str | None) -> bool:
    return name is not None and _COMMAND.fullmatch(name) is not None


def _items(node: ast.Dict) -> Iterator[tuple[ast.expr, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            yield key, value
