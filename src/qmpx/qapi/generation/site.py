"""A schema as a site for reference: a page for each command, event and type.

Plain HTML that needs no server, no network and no other program: the search box looks
into an index that lies beside the pages. Without JavaScript all but the search works.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final
from urllib.parse import quote
from zlib import crc32

from qmpx.qapi.generation.names import Names
from qmpx.qapi.generation.shapes import is_empty, named_types
from qmpx.qapi.generation.site_assets import SCRIPT, STYLE
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    Command,
    Definition,
    Element,
    EnumType,
    Event,
    Member,
    ObjectType,
    Schema,
)

MAX_FILE_NAME: Final = 200
"""Characters of a page's file name before it is cut: file systems take 255 bytes."""

_DIRECTIVE: Final = re.compile(r"\.\. (?:qmp-)?([a-z]+)::")
_LITERAL: Final = re.compile(r"^(?:   |[-<]-?>? [{|])", re.MULTILINE)
_SEARCH: Final = (
    '<input id="search" type="search" placeholder="Search" aria-label="Search" '
    'autocomplete="off" aria-controls="results">'
)
_KINDS: Final = {"command": "Commands", "event": "Events", "type": "Types"}


def generate_site(schema: Schema, title: str) -> dict[str, str]:
    """Return the files of a site, by their names.

    Args:
        schema: The schema.
        title: What it is the schema of.
    """
    return _Site(schema, title).files()


class _Site:
    def __init__(self, schema: Schema, title: str) -> None:
        self._schema = schema
        self._title = title
        words = named_types(schema)
        names = Names(schema, words).types
        # The numbers of introspection say nothing: such types are named by their use.
        self._shown = {
            name: names[name] if name.isdigit() else name
            for name in words
            if not is_empty(schema, name)
        }
        self._users: dict[str, dict[str, None]] = {}
        for command in schema.commands.values():
            self._use(command.arguments, self._link_to(command))
            self._use_type(command.returns, self._link_to(command))
        for event in schema.events.values():
            self._use(event.arguments, self._link_to(event))
        for name in self._shown:
            self._use(name, self._link(name))

    def files(self) -> dict[str, str]:
        """Return the files by their names."""
        items: list[tuple[str, str, Definition]] = []
        items += [("command", x.name, x) for x in self._schema.commands.values()]
        items += [("event", x.name, x) for x in self._schema.events.values()]
        items += [
            ("type", shown, self._schema.types[name])
            for name, shown in self._shown.items()
        ]
        files = {
            "index.html": self._page(self._title, self._contents(items)),
            "search.js": self._index(items) + SCRIPT,
            "style.css": STYLE,
        }
        for kind, name, item in items:
            body = [*self._definition(kind, name, item)]
            files[_file(kind, name)] = self._page(f"{name} - {self._title}", body)
        return files

    # Who uses what.

    def _use(self, name: str, user: str) -> None:
        """Note who uses the types of an object's members, or of what else it is."""
        match self._schema.types[name]:
            case ObjectType(branches=branches):
                for member in self._schema.members_of(name):
                    self._use_type(member.type, user)
                for branch in branches:
                    if branch.type in self._shown:
                        self._use_type(branch.type, user)
                    else:
                        self._use(branch.type, user)
            case AlternateType(branches=branches):
                for branch in branches:
                    self._use_type(branch.type, user)
            case _:
                pass

    def _use_type(self, name: str, user: str) -> None:
        type_ = self._schema.types[name]
        while isinstance(type_, ArrayType):
            type_ = self._schema.types[type_.element]
        self._users.setdefault(type_.name, {})[user] = None

    # Pages.

    def _page(self, title: str, body: Iterable[str]) -> str:
        lines = [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            '<link rel="stylesheet" href="style.css">',
            '<script src="search.js" defer></script>',
            "</head>",
            "<body>",
            "<header>",
            f'<a href="index.html">{escape(self._title)}</a>',
            _SEARCH,
            "</header>",
            '<ul id="results" hidden></ul>',
            "<main>",
            *body,
            "</main>",
            "</body>",
            "</html>",
        ]
        return "\n".join(lines) + "\n"

    def _contents(self, items: list[tuple[str, str, Definition]]) -> Iterator[str]:
        yield f"<h1>{escape(self._title)}</h1>"
        for kind, heading in _KINDS.items():
            mine = [(name, item) for each, name, item in items if each == kind]
            yield f'<h2 id="{kind}s">{heading} <small>{len(mine)}</small></h2>'
            yield '<ul class="names">'
            for name, item in sorted(mine, key=lambda pair: pair[0].lower()):
                yield f"<li>{_anchor(kind, name)}{_marks(item)}</li>"
            yield "</ul>"

    def _index(self, items: list[tuple[str, str, Definition]]) -> str:
        entries = [
            [name, kind, _href(kind, name), " ".join(self._words(item))]
            for kind, name, item in items
        ]
        # No name can end the script that it stands in.
        text = json.dumps(entries, separators=(",", ":")).replace("<", "\\u003c")
        return f"const INDEX = {text};\n"

    def _words(self, item: Definition) -> list[str]:
        """Return what else a page can be found by: its arguments, members, values."""
        match item:
            case Command() | Event():
                return [m.name for m in self._schema.members_of(item.arguments)]
            case ObjectType():
                return [m.name for m in self._schema.members_of(item.name)]
            case EnumType(values=values):
                return [value.name for value in values]
            case _:
                return []

    def _definition(self, kind: str, name: str, item: Definition) -> Iterator[str]:
        yield f"<h1>{escape(name)} <small>{_kind(item)}</small>{_marks(item)}</h1>"
        documentation = item.documentation
        if documentation is not None:
            since = documentation.section("Since")
            if since:
                yield f'<p class="since">since {escape(since)}</p>'
            yield from _text(documentation.text)
            for feature, text in documentation.features.items():
                yield f"<p><code>{escape(feature)}</code>: {escape(text)}</p>"
        match item:
            case Command():
                yield "<h2>Arguments</h2>"
                yield from self._arguments(item)
                yield "<h2>Returns</h2>"
                returned = self._reference(item.returns)
                yield f"<p>{returned}</p>"
                yield from _flags(item)
            case Event():
                yield "<h2>Data</h2>"
                yield from self._arguments(item)
            case ObjectType():
                yield "<h2>Members</h2>"
                yield from self._object(item, item)
            case EnumType(values=values):
                yield "<h2>Values</h2>"
                yield from _table(
                    (
                        f"<code>{escape(value.name)}</code>{_marks(value)}",
                        _described(item, value.name),
                    )
                    for value in values
                )
            case AlternateType(branches=branches):
                yield "<h2>One of</h2><ul>"
                for branch in branches:
                    yield f"<li>{self._reference(branch.type)}{_marks(branch)}</li>"
                yield "</ul>"
            case _:
                pass
        if documentation is not None:
            for section in documentation.sections:
                if section.tag != "Since":
                    if section.tag:
                        yield f"<h2>{escape(section.tag)}</h2>"
                    yield from _text(section.text)
        users = self._users.get(item.name, {}) if kind == "type" else {}
        if users:
            yield "<h2>Used by</h2>"
            yield f"<p>{', '.join(users)}</p>"

    def _arguments(self, item: Command | Event) -> Iterator[str]:
        if item.arguments in self._shown:
            yield f"<p>Those of {self._link(item.arguments)}.</p>"
        else:
            yield from self._object(self._schema.object_type(item.arguments), item)

    def _object(self, type_: ObjectType, documented: Definition) -> Iterator[str]:
        members = self._schema.members_of(type_.name)
        if not members and not type_.is_union:
            yield "<p>none</p>"
            return
        yield from self._members(members, documented)
        for branch in type_.branches:
            if is_empty(self._schema, branch.type):
                continue
            tag, value = str(type_.discriminator), escape(branch.name)
            heading = f"<code>{escape(tag)}</code> is <code>{value}</code>"
            yield f'<h3 id="{value}">If {heading}{_marks(branch)}</h3>'
            own = self._schema.object_type(branch.type)
            if branch.type in self._shown:
                yield f"<p>Those of {self._link(branch.type)}:</p>"
            yield from self._object(own, own)

    def _members(
        self, members: Iterable[Member], documented: Definition
    ) -> Iterator[str]:
        yield from _table(
            (
                f"<code>{escape(member.name)}</code>{_marks(member)}",
                self._reference(member.type)
                + (" <i>optional</i>" if member.optional else ""),
                _described(documented, member.name),
            )
            for member in members
        )

    # Links.

    def _reference(self, name: str) -> str:
        type_ = self._schema.types[name]
        match type_:
            case ArrayType(element=element):
                return f"[{self._reference(element)}]"
            case BuiltinType():
                return escape(name)
            case _ if name in self._shown:
                return self._link(name)
            case _:
                return "nothing"

    def _link(self, name: str) -> str:
        return _anchor("type", self._shown[name])

    def _link_to(self, item: Command | Event) -> str:
        kind = "command" if isinstance(item, Command) else "event"
        return _anchor(kind, item.name)


def _file(kind: str, name: str) -> str:
    # No name leads out of the folder, whatever a peer calls its types.
    name = f"{kind}-{quote(name, safe='')}"
    if len(name) > MAX_FILE_NAME:
        name = f"{name[:MAX_FILE_NAME]}-{crc32(name.encode()):08x}"
    return f"{name}.html"


def _href(kind: str, name: str) -> str:
    return quote(_file(kind, name))


def _anchor(kind: str, name: str) -> str:
    return f'<a href="{_href(kind, name)}">{escape(name)}</a>'


def _kind(item: Definition) -> str:
    match item:
        case Command():
            return "command"
        case Event():
            return "event"
        case EnumType():
            return "enumeration"
        case AlternateType():
            return "alternate"
        case ObjectType(is_union=True):
            return "union"
        case _:
            return "struct"


def _flags(command: Command) -> Iterator[str]:
    if command.allow_oob:
        yield "<p>May be executed out of band.</p>"
    if command.allow_preconfig:
        yield "<p>May be executed before the machine is built.</p>"


def _marks(item: Element | Branch) -> str:
    marks = []
    if not isinstance(item, Branch):
        marks += [feature.name for feature in item.features]
    if item.condition is not None:
        marks.append(f"if {item.condition}")
    return "".join(f' <span class="mark">{escape(mark)}</span>' for mark in marks)


def _described(documented: Definition, name: str) -> str:
    texts: Mapping[str, str] = {}
    if documented.documentation is not None:
        texts = documented.documentation.members
    return escape(texts.get(name, ""))


def _text(text: str) -> Iterator[str]:
    """Yield the paragraphs of reStructuredText; what is indented stays as it is."""
    for paragraph in text.strip().split("\n\n"):
        directive = _DIRECTIVE.match(paragraph)
        if directive is not None:
            yield f"<p><b>{escape(directive[1].capitalize())}</b></p>"
            paragraph = paragraph[directive.end() :]
        if _LITERAL.search(paragraph):
            yield f"<pre>{escape(paragraph)}</pre>"
        elif paragraph.strip():
            yield f"<p>{escape(paragraph.strip())}</p>"


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "<table>"
    for row in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in row)
        yield f"<tr>{cells}</tr>"
    yield "</table>"
