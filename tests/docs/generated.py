"""``python -m tests.docs.generated`` (`make generated`): write what the docs take from the program.

Every block stands between two marks of its page, ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path

os.environ["TEXTUAL_ANIMATIONS"] = "none"

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PICTURE = DOCS / "grid.svg"
SIZE = (104, 26)
"""Columns and rows of the picture."""
HELP_WIDTH = 96
_TITLES = {
    "grid": "Grid",
    "cell": "Cell",
    "plots": "Plots",
    "table": "Headline table",
    "queue": "Queue and machine",
    "history": "History",
    "experiments": "Experiments",
    "compare": "Comparison",
    "app": "Everywhere",
}


def keys() -> str:
    """Return the Markdown tables of all screens, from the live bindings."""
    from tuilab.tui.keys import SCREENS
    from tuilab.tui.present.key_table import key_rows, markdown

    parts = []
    for name, bindings in SCREENS.items():
        own = [row for row in key_rows(bindings) if row.group in (name, "list") or name == "app"]
        parts.append(f"**{_TITLES[name]}**\n\n{markdown(own)}")
    return "\n".join(parts)


def settings() -> str:
    """Return the reference of the person's own config."""
    from tuilab.grid.user_config import as_markdown

    return as_markdown()


def config() -> str:
    """Return the reference of an experiment's config."""
    from tests.docs.config_reference import as_markdown

    return as_markdown()


def verbs() -> str:
    """Return the help of every verb, as the program prints it."""
    from typer.testing import CliRunner

    from tuilab.cli.app import app, load
    from tuilab.cli.verbs import VERBS

    def help_of(*words: str) -> str:
        shown = CliRunner().invoke(app, [*words, "--help"], terminal_width=HELP_WIDTH)
        return f"```text\n{shown.output.strip()}\n```\n"

    parts = [f"### tuilab\n\n{help_of()}"]
    for name in (name for name, (_, line) in VERBS.items() if line):
        inner = getattr(load(name), "commands", {})
        inner = [key for key, one in inner.items() if not one.hidden]
        parts += [f"### {name}\n\n{help_of(name)}", *(help_of(name, one) for one in inner)]
    return "\n".join(parts)


def headline() -> str:
    """Return the headline table of the published card, as the program prints it."""
    from typer.testing import CliRunner

    from tuilab.cli.app import app

    shown = CliRunner().invoke(app, ["table", "published"]).output.strip()
    return f"```text\n$ tuilab table published\n{shown}\n```\n"


def imported() -> str:
    """Return the names that a table of results may use for its numbers."""
    from tuilab.report.table_layouts import imported_names

    return "A table may measure " + ", ".join(f"`{name}`" for name in imported_names()) + ".\n"


BLOCKS: dict[tuple[str, str], Callable[[], str]] = {
    ("keys.md", "keys"): keys,
    ("user-config.md", "settings"): settings,
    ("config.md", "config"): config,
    ("command-line.md", "verbs"): verbs,
    ("results.md", "headline"): headline,
    ("results.md", "imported"): imported,
}
"""(Page, mark) -> what stands between the marks."""


def with_block(text: str, mark: str, block: str) -> str:
    """Put a block between its marks."""
    marks = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{block}\n{found[2]}", text)


async def draw(size: tuple[int, int] = SIZE) -> str:
    """Return the grid of the published numbers as an SVG."""
    from tuilab.tui.app import TuilabApp

    app = TuilabApp(ROOT / "tuilab" / "published", read_only=True)
    async with app.run_test(size=size) as pilot:
        while app.snapshot is None:
            await pilot.pause(0.05)
        await pilot.press("right", "right", "right", "right", "right")
        await pilot.pause(0.3)
        return app.export_screenshot(title="tuilab published")


def main() -> None:
    """Rewrite all of them, and the picture."""
    for (name, mark), make in BLOCKS.items():
        page = DOCS / name
        page.write_text(with_block(page.read_text(encoding="utf-8"), mark, make()), "utf-8")
    PICTURE.write_text(asyncio.run(draw()), encoding="utf-8")


if __name__ == "__main__":
    main()
