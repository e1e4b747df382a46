"""Hooks of mkdocs: the order of the sections, and literal blocks in docstrings.

The folders stay the navigation, so no page can be forgotten. The sections come in the
order in which they are needed: to learn, to do, to look up, to understand; the pages of
one in the order in which the overview leads to them.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

SECTIONS = {
    "Tutorial": "Tutorial",
    "Howto": "How-to guides",
    "Reference": "Reference",
    "Explanation": "Explanation",
}


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:  # noqa: ARG001
    """Put sections and pages into their order, and name the sections.

    What is unknown goes last.
    """
    order = list(SECTIONS)
    overview = Path(config.docs_dir, "index.md").read_text()
    pages = re.findall(r"\]\(([\w/-]+\.md)\)", overview)

    def place(title: str | None) -> int:
        if title is None:
            return -1  # a page of the top level
        return order.index(title) if title in order else len(order)

    nav.items.sort(key=lambda item: place(item.title if item.is_section else None))
    for item in nav.items:
        if item.is_section:
            item.children.sort(key=lambda page: place_of(page, pages))
            item.title = SECTIONS.get(item.title, item.title)
    return nav


def place_of(page: Page, pages: list[str]) -> int:
    """Return the number of a page among those that the overview leads to."""
    path = page.file.src_uri
    return pages.index(path) if path in pages else len(pages)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Show the ``::`` that announces a literal block in a docstring as one colon."""
    return html.replace("<p>::</p>", "").replace("::</p>", ":</p>")
