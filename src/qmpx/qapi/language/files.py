"""Schema files, read with all that they include: only this module of the room reads.

The passes follow each other: text to items (`parser`), comments to documentation
(`sections`, `paragraphs`), expressions by themselves (`shapes`), all together as
definitions (`definitions`) that are checked against each other (`meaning`), and at last
the model. An error in an earlier pass is told before any in a later one, as by QEMU's
own generator.
"""

import os.path
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from qmpx.errors import SchemaError
from qmpx.qapi import model
from qmpx.qapi.language.comments import Comment, Doc
from qmpx.qapi.language.definitions import Definitions
from qmpx.qapi.language.meaning import check_meaning
from qmpx.qapi.language.paragraphs import read_paragraphs
from qmpx.qapi.language.parser import Json, parse
from qmpx.qapi.language.places import Place
from qmpx.qapi.language.releases import (
    COMPLETE_DOCUMENTATION,
    FIRST,
    Release,
    release_of,
)
from qmpx.qapi.language.sections import read_sections
from qmpx.qapi.language.shapes import Pragma, check_shape

MAX_SIZE: Final = 16_777_216
"""How many characters a file may have; the largest of QEMU's has 190,000."""

MAX_FILES: Final = 4096
"""How many files a schema may have; QEMU's has some 50."""

MAX_INCLUDES: Final = 64
"""How deep files may include each other; QEMU's own need 6.

So that no schema can exhaust the interpreter's stack.
"""

Read: TypeAlias = Callable[[str], str]
"""Return the text of the file at a path; raises OSError or UnicodeDecodeError."""

# Outside of comments. What it overlooks is only not asked for its release.
_INCLUDE = re.compile(r"^[^#\n]*'include'\s*:\s*'([^'\n]*)'", re.MULTILINE)


def read_file(path: str) -> str:
    """Return the text of a file.

    Args:
        path: Its path.

    Raises:
        OSError: It cannot be read, or is larger than `MAX_SIZE`.
        UnicodeDecodeError: It is not UTF-8.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read(MAX_SIZE + 1)
    if len(text) > MAX_SIZE:
        raise OSError(0, f"larger than {MAX_SIZE} characters")
    return text


def load_schema(
    path: str | os.PathLike[str],
    *,
    release: Release | None = None,
    read: Read = read_file,
) -> model.Schema:
    """Read a schema.

    Args:
        path: The path of its first file. Errors show it as it is given, and the paths
            of included files relative to it.
        release: The release of QEMU by whose rules it is to be read, such as
            ``(9, 2)``. Else that is found out: see `release_of`.
        read: What gives the text of a file.

    Raises:
        SchemaError: It cannot be read, or is not valid.
    """
    return _Loading(os.fspath(path), read, release).load()


class _Expression(Struct, gc=False):
    value: Json
    place: Place
    doc: Doc | None
    module: str


class _Loading:
    def __init__(self, path: str, read: Read, release: Release | None) -> None:
        self._path = path
        self._folder = os.path.dirname(path)
        self._read = read
        self._texts: dict[str, str] = {}
        self._included: set[str] = set()
        self._modules: dict[str, int] = {"": 0}  # in the order of first inclusion
        self._expressions: list[_Expression] = []
        self._pragma = Pragma(release or FIRST)
        self._is_release_given = release is not None

    def load(self) -> model.Schema:
        try:
            self._text(self._path)
        except (OSError, UnicodeDecodeError) as error:
            message = f"can't read schema file '{self._path}': {_reason(error)}"
            raise SchemaError(message) from None
        if not self._is_release_given:
            self._pragma.release = release_of(self._all_texts())
        self._load(self._path, None, 0)
        kinds = [
            check_shape(each.value, each.place, each.doc, self._pragma)
            for each in self._expressions
        ]
        definitions = Definitions()
        for kind, each in zip(kinds, self._expressions, strict=True):
            definitions.add(kind, each.value, each.place, each.doc, each.module)
        check_meaning(definitions.entities, self._pragma)
        return model.Schema.of(self._in_order(definitions))

    def _text(self, path: str) -> str:
        if path not in self._texts:
            if len(self._texts) == MAX_FILES:
                raise OSError(0, f"more than {MAX_FILES} files")
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _all_texts(self) -> Collection[str]:
        """Return the texts of what may be included, but for what cannot be read."""
        paths, seen = [self._path], {self._path}
        while paths:
            path = paths.pop()
            try:
                text = self._text(path)
            except (OSError, UnicodeDecodeError):
                continue
            for include in _INCLUDE.findall(text):
                included = os.path.join(os.path.dirname(path), include)
                if os.path.abspath(included) not in seen:
                    seen.add(os.path.abspath(included))
                    paths.append(included)
        return list(self._texts.values())

    def _load(self, path: str, parent: Place | None, depth: int) -> None:
        self._included.add(os.path.abspath(path))
        module = os.path.relpath(path, self._folder or ".")
        self._modules.setdefault(module, len(self._modules))
        doc: Doc | None = None  # what stands right before an expression
        for item in parse(self._text(path), path, parent):
            if isinstance(item, Comment):
                self._refuse_doc(doc)
                doc = self._read_comment(item)
                continue
            value, place = item.value, item.place
            if "include" in value:
                self._refuse_doc(doc)
                self._include(value, place, depth)
            elif "pragma" in value:
                self._refuse_doc(doc)
                self._set_pragmas(value, place)
            elif doc is not None and not doc.symbol:
                message = "definition documentation required"
                raise doc.place.error(message)
            else:
                self._expressions.append(_Expression(value, place, doc, module))
            doc = None
        self._refuse_doc(doc)

    def _read_comment(self, comment: Comment) -> Doc:
        release = self._pragma.release
        if release < COMPLETE_DOCUMENTATION:
            return read_sections(comment, release)
        return read_paragraphs(comment, release)

    def _refuse_doc(self, doc: Doc | None) -> None:
        if doc is not None and doc.symbol:
            message = (
                f"documentation for '{doc.symbol}' is not followed by the definition"
            )
            raise doc.place.error(message)

    def _include(self, value: Json, place: Place, depth: int) -> None:
        if len(value) != 1:
            message = "invalid 'include' directive"
            raise place.error(message)
        include = value["include"]
        if not isinstance(include, str):
            message = "value of 'include' must be a string"
            raise place.error(message)
        path = os.path.join(os.path.dirname(place.file), include)
        absolute = os.path.abspath(path)
        includer: Place | None = place
        while includer is not None:
            if os.path.abspath(includer.file) == absolute:
                message = f"inclusion loop for {include}"
                raise place.error(message)
            includer = includer.parent
        if absolute in self._included:
            return
        if depth == MAX_INCLUDES:
            message = f"included more than {MAX_INCLUDES} deep"
            raise place.error(message)
        try:
            self._text(path)
        except (OSError, UnicodeDecodeError) as error:
            message = f"can't read include file '{path}': {_reason(error)}"
            raise place.error(message) from None
        self._load(path, place, depth + 1)

    def _set_pragmas(self, value: Json, place: Place) -> None:
        if len(value) != 1:
            message = "invalid 'pragma' directive"
            raise place.error(message)
        settings = value["pragma"]
        if not isinstance(settings, dict):
            message = "value of 'pragma' must be an object"
            raise place.error(message)
        for name, setting in settings.items():
            self._set_pragma(name, setting, place)

    def _set_pragma(self, name: str, setting: Any, place: Place) -> None:
        if name == "doc-required":
            if not isinstance(setting, bool):
                message = "pragma 'doc-required' must be boolean"
                raise place.error(message)
            self._pragma.documentation_required = setting
            return
        attribute = _LISTS.get(name)
        is_new = name == "documentation-exceptions"
        if attribute is None or (
            is_new and self._pragma.release < COMPLETE_DOCUMENTATION
        ):
            message = f"unknown pragma '{name}'"
            raise place.error(message)
        if not isinstance(setting, list) or not all(
            isinstance(each, str) for each in setting
        ):
            message = f"pragma {name} must be a list of strings"
            raise place.error(message)
        setattr(self._pragma, attribute, frozenset(setting))

    def _in_order(self, definitions: Definitions) -> list[model.Definition]:
        """Return the definitions module by module; an array goes with its element."""
        entities = definitions.entities
        found = []
        for entity in entities.values():
            definition = entity.definition
            if isinstance(definition, model.ArrayType):
                element = entities[definition.element].definition
                definition = replace(definition, module=element.module)
            found.append(definition)
        return sorted(found, key=lambda definition: self._modules[definition.module])


_LISTS: Final[Mapping[str, str]] = {
    "command-name-exceptions": "command_names",
    "command-returns-exceptions": "command_returns",
    "member-name-exceptions": "member_names",
    "documentation-exceptions": "undocumented",
}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8: byte {error.start + 1}"
    return error.strerror or str(error)
