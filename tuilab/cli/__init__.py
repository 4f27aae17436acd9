"""The command line: the only place that joins layers; each verb imports what it needs itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0 well, 1 error, 2 usage, 3 grid incomplete)."""
    from tuilab.cli.quick import answer_quickly
    from tuilab.cli.say import bear_any_text

    bear_any_text()
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = answer_quickly(words)
    if code is not None:
        return code
    from tuilab.cli.app import run

    return run(words)
