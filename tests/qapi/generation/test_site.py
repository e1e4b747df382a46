"""The site for reference: its pages, its links, its search."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from qmpx.qapi.generation import generate_site
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.shipped import shipped_schema
from tests.qapi.generated import small_schema

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.qapi.model import Schema

VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """A page as it is read by a strict reader: every element is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"}:
                self.links.append(unquote(value or ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(files: dict[str, str]) -> dict[str, Page]:
    return {name: Page(text) for name, text in files.items() if name.endswith(".html")}


def lines(page: Page) -> list[str]:
    """Return what is to be read on a page, below its header."""
    read = [line.strip() for line in page.text.splitlines() if line.strip()]
    return read[read.index("Shapes") + 1 :]


def masked() -> Schema:
    return from_introspection(to_introspection(shipped_schema("7.2")))


@pytest.mark.parametrize(
    "schema", [small_schema, lambda: shipped_schema("9.2"), masked]
)
def test_all_links_lead_somewhere_and_all_pages_are_linked(schema: Any) -> None:
    files = generate_site(schema(), "QEMU")
    read = pages(files)
    targets = {link for page in read.values() for link in page.links}
    assert targets == set(files)
    assert {link for link in read["index.html"].links if link.endswith(".html")} == set(
        read
    )


def test_there_is_a_page_for_each_command_event_and_type() -> None:
    assert sorted(generate_site(small_schema(), "Shapes")) == sorted(
        [
            *("index.html", "search.js", "style.css"),
            *("command-paint.html", "command-shape-add.html"),
            *("command-query-shapes.html", "command-query-point.html"),
            *("command-query-number.html", "command-query-names.html"),
            *("command-query-anything.html", "command-device_add.html"),
            *("event-PAINTED.html", "event-POINT.html", "event-DRAWN.html"),
            *("event-DONE.html", "type-Colour.html", "type-Kind.html"),
            *("type-Shape.html", "type-ShapeRef.html", "type-NumberOrNull.html"),
            *("type-Named.html",),
        ]
    )


def test_a_page_says_all_that_the_schema_says() -> None:
    read = pages(generate_site(small_schema(), "Shapes"))
    assert lines(read["command-paint.html"]) == [
        *("paint command", "since 2.0", "Arguments", "node-namestr"),
        *("colourColour optionalwhich one (since 3.1)",),
        *("limitNumberOrNull optional", "Returns", "nothing"),
    ]
    assert lines(read["type-Colour.html"]) == [
        *("Colour enumeration", "since 2.0", "Something to paint with."),
        *("deprecated: Of @old: too pale.", "Values", "red"),
        *("deep-blue(since 2.5)", "3d", "old deprecated", "Used by"),
        *("paint, PAINTED, Named",),
    ]
    assert lines(read["type-Shape.html"]) == [
        *("Shape union", "Members", "kindKind", "labelstr optional"),
        *("If kind is circle", "radiussize", "If kind is group"),
        *("shapes[ShapeRef]", "Used by", "query-shapes, ShapeRef"),
    ]


def test_names_and_texts_of_others_do_no_harm() -> None:
    evil = "../../<script>alert(1)</script>&\"'"
    told: list[dict[str, Any]] = [
        {"name": evil, "meta-type": "command", "arg-type": "0", "ret-type": "0"},
        {"name": "0", "meta-type": "object", "members": []},
        {"name": "x" * 5000, "meta-type": "event", "arg-type": "0"},
    ]
    files = generate_site(from_introspection(told), "</title><b>")
    assert all(re.fullmatch(r"[\w%.~-]{1,220}", name) for name in files)
    for text in files.values():
        assert "<script>alert" not in text
    assert set(pages(files)["index.html"].links) == set(files)


def test_the_index_finds_commands_by_their_arguments() -> None:
    script = generate_site(small_schema(), "Shapes")["search.js"]
    first = script.partition("\n")[0]
    index = json.loads(first.removeprefix("const INDEX = ").removesuffix(";"))
    assert ["paint", "command", "command-paint.html", "node-name colour limit"] in index
    assert len(index) == 18


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium in PATH")
def test_the_search_box_works_in_a_browser_without_a_server(tmp_path: Path) -> None:
    for name, text in generate_site(shipped_schema("9.2"), "QEMU").items():
        (tmp_path / name).write_text(text)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000"]
    address = f"{(tmp_path / 'type-RunState.html').as_uri()}#q=blockdev%20Node-name"
    ended = subprocess.run(
        [*command, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    results = ended.stdout.partition('<ul id="results">')[2].partition("</ul>")[0]
    found = re.findall(r'<a href="([^"]*)">([^<]*)<small>([a-z]*)', results)
    assert ("command-blockdev-del.html", "blockdev-del ", "command") in found
    assert ("command-eject.html", "eject ", "command") not in found
