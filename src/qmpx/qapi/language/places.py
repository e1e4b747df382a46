"""Where in a schema something stands, for errors."""

from qmpx.errors import SchemaError


class Place:
    """A line of a file, and how that file came to be read.

    Expressions that begin on the same line share one. What is defined there is entered
    when its name is known; from then on errors tell it.

    Args:
        file: The path of the file, as it was opened.
        line: The line, from 1.
        parent: The place of the directive that includes the file.

    Attributes:
        kind: The kind of what is defined here, such as ``struct``; empty if unknown.
        name: Its name.
    """

    __slots__ = ("file", "kind", "line", "name", "parent")

    def __init__(self, file: str, line: int, parent: "Place | None") -> None:
        self.file = file
        self.line = line
        self.parent = parent
        self.kind = ""
        self.name = ""

    def error(
        self,
        message: str,
        column: int | None = None,
        previous: SchemaError | None = None,
    ) -> SchemaError:
        """Return the error that something is wrong here.

        Args:
            message: What is wrong.
            column: The column, from 1, if it concerns the text itself.
            previous: Where the same name was defined before.
        """
        includes = []
        parent = self.parent
        while parent is not None:
            includes.append(f"{parent.file}:{parent.line}")
            parent = parent.parent
        return SchemaError(
            message,
            self.file,
            self.line,
            column,
            definition=f"{self.kind} '{self.name}'" if self.kind else "",
            includes=tuple(reversed(includes)),
            previous=previous,
        )
