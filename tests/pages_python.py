"""The Python of one page, for `tests.pages`: a child that runs its blocks in turn.

Orders come on standard input, a JSON object a line; an answer is ``true`` or ``false``.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import json
import linecache
import os
import sys
import traceback
from typing import Any


def run_block(
    source: str, page: str, line: int, names: dict[str, Any], runner: asyncio.Runner
) -> bool:
    """Run a block; tell whether it ended without an exception, or as a doctest says."""
    if source.startswith(">>> "):
        test = doctest.DocTestParser().get_doctest(source, names, page, page, line - 1)
        examiner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        result = examiner.run(test, clear_globs=False)
        names.update(test.globs)
        return result.failed == 0
    file = f"{page}:{line}"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, file, "exec", flags, dont_inherit=True)
        value = eval(code, names)  # noqa: S307 - our own pages
        if inspect.iscoroutine(value):
            runner.run(value)
    except BaseException:  # noqa: BLE001 - whatever it is, it is told of
        traceback.print_exc()
        return False
    return True


def main() -> None:
    """Take orders until there are no more."""
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.path.insert(0, "")
    names: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for text in orders:
            order = json.loads(text)
            output = os.open(order.pop("output"), os.O_WRONLY | os.O_CREAT, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            is_good = run_block(**order, names=names, runner=runner)
            sys.stdout.flush()
            sys.stderr.flush()
            print(json.dumps(is_good), file=answers, flush=True)


main()
