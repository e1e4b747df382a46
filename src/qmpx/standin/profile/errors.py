"""What is wrong with a profile."""

from qmpx.errors import QmpxError


class ProfileError(QmpxError):
    """A file is no profile, or cannot be read; the message says why."""

    exit_status = 2
