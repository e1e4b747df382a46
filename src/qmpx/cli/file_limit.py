"""How many files a command that serves may have open: each client is one."""

import contextlib
import resource


def raise_file_limit() -> None:
    """Allow this process as many open files as the system lets it have.

    The usual soft limit of 1024 is for programs that call ``select``; ours do not.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
