"""``python -m qmpx``: the same as the ``qmpx`` command."""

import sys

from qmpx.cli.main import main

sys.exit(main())
