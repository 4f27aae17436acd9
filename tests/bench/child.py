"""The app as the benchmarks run it: ``python -m tests.bench.child KIND [ARGUMENT]`` in a pty."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TEXTUAL_ANIMATIONS"] = "none"


def main(kind: str, argument: str) -> int:
    """Open an experiment, a large fixed grid, one that changes with every look, or one word."""
    if kind == "open":
        from tuilab.tui import run

        return run(Path(argument))
    if kind == "word":
        from textual.app import App, ComposeResult
        from textual.widgets import Static

        class Word(App[None]):
            def compose(self) -> ComposeResult:
                yield Static("word")

        return Word().run() or 0
    from tests.tui.changing import changing
    from tests.tui.examples import large
    from tuilab.tui.app import TuilabApp

    sources, epochs = (int(part) for part in argument.split("x"))
    is_changing = kind == "changing"
    source = changing(sources, epochs) if is_changing else large(Path.cwd(), sources, epochs)
    app = TuilabApp(Path.cwd(), source=lambda root: source, poll_seconds=0.1)
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
