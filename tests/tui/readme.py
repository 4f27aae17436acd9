"""``python -m tests.tui.readme``: make what is generated in the docs anew."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

os.environ["TEXTUAL_ANIMATIONS"] = "none"

ROOT = Path(__file__).parents[2]
KEYS = ROOT / "docs" / "keys.md"
PICTURE = ROOT / "docs" / "grid.svg"
SETTINGS = ROOT / "docs" / "user-config.md"
SIZE = (104, 26)
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


def keys_table() -> str:
    """Return the Markdown tables of all screens, from the live bindings."""
    from tuilab.tui.keys import SCREENS
    from tuilab.tui.present.key_table import key_rows, markdown

    parts = []
    for name, bindings in SCREENS.items():
        own = [row for row in key_rows(bindings) if row.group in (name, "list") or name == "app"]
        parts.append(f"**{_TITLES[name]}**\n\n{markdown(own)}")
    return "\n".join(parts)


def with_keys(text: str) -> str:
    """Put the table between its marks."""
    marks = re.compile(r"(<!-- keys -->\n).*?(<!-- /keys -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{keys_table()}\n{found[2]}", text)


def with_settings(text: str) -> str:
    """Put the reference of the person's own config between its marks."""
    from tuilab.grid.user_config import as_markdown

    marks = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{as_markdown()}\n{found[2]}", text)


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
    """Rewrite all three."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(asyncio.run(draw()), encoding="utf-8")
    KEYS.write_text(with_keys(KEYS.read_text(encoding="utf-8")), encoding="utf-8")
    SETTINGS.write_text(with_settings(SETTINGS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
