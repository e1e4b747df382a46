"""What the shell knows of a peer: its schema, its human monitor, its documentation."""

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from qmpx.cli.human_text import HumanCommand, commands_in
from qmpx.client.asynchronous import AsksRaw, ask_vocabulary
from qmpx.client.deadlines import Timeout
from qmpx.qapi.model import Schema

if TYPE_CHECKING:
    from qmpx.qapi.vocabulary import Vocabulary

SCHEMA_TIMEOUT: Final = 10.0
"""Seconds for the schema; a monitor that is busy that long is used without it."""


class Asks(AsksRaw, Protocol):
    """Whom the shell asks."""

    async def execute(
        self, name: str, arguments: dict[str, Any], /, *, timeout: Timeout
    ) -> Any:
        """Run a command."""


class Knowledge:
    """What is known of a peer.

    Attributes:
        vocabulary: What it says of itself, once it was asked.
        human_commands: The commands of its human monitor, likewise.
        human_topics: What its ``info`` knows, likewise.
        prose: A schema with documentation, if one was given.
    """

    def __init__(self) -> None:
        self.vocabulary: Vocabulary | None = None
        self.human_commands: list[HumanCommand] = []
        self.human_topics: list[HumanCommand] = []
        self.prose: Schema | None = None

    @property
    def schema(self) -> Schema | None:
        """The peer's schema; names only, if it tells no more and nothing else does."""
        if self.vocabulary is None:
            return None
        if self.prose is not None and not self.vocabulary.has_types:
            return self.prose  # what was given has types
        return self.vocabulary.schema

    @property
    def typed_schema(self) -> Schema | None:
        """The schema, if it has more than names."""
        if self.vocabulary is None or self.vocabulary.has_types:
            return self.schema
        return self.prose

    async def read_documentation(self, path: str) -> None:
        """Read a schema's file that is to explain what the peer knows.

        Raises:
            QmpxError: It is no schema.
        """
        # Imported when needed, which is seldom.
        from qmpx.qapi.language import load_schema

        self.prose = await asyncio.to_thread(load_schema, path)

    async def ask_commands(self, client: Asks) -> Schema:
        """Ask the peer what it supports.

        Raises:
            QmpxError: It does not tell.
        """
        self.vocabulary = await ask_vocabulary(client, SCHEMA_TIMEOUT)
        return self.vocabulary.schema

    async def ask_human_commands(self, client: Asks) -> None:
        """Ask its human monitor, if there is a way, what that supports.

        Raises:
            QmpxError: It does not tell.
        """
        name = "human-monitor-command"
        if self.schema is None or name not in self.schema.commands:
            return

        async def said(line: str) -> str:
            text = await client.execute(
                name, {"command-line": line}, timeout=SCHEMA_TIMEOUT
            )
            return str(text)

        self.human_commands = commands_in(await said("help"))
        self.human_topics = commands_in(await said("help info"), "info")
