"""What the docs take from the program is what the program says now."""

from __future__ import annotations

import html
import re

import pytest

from tests.docs.config_reference import tables
from tests.docs.generated import BLOCKS, DOCS, PICTURE, ROOT, draw, with_block
from tuilab.grid.metrics import HEADLINE
from tuilab.store.results_only import read_results

SLOW = {("config.md", "config")}
"""Plans a config for every key: its quick part is below."""


@pytest.mark.parametrize(
    ("page", "mark"),
    [pytest.param(*one, marks=pytest.mark.trial if one in SLOW else ()) for one in BLOCKS],
)
def test_every_generated_block_is_current(page: str, mark: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"<!-- {mark} -->" in text and f"<!-- /{mark} -->" in text
    assert with_block(text, mark, BLOCKS[page, mark]()) == text, "run `make generated`"


def test_the_reference_of_the_config_has_every_key_with_type_default_and_meaning() -> None:
    text = (DOCS / "config.md").read_text(encoding="utf-8")
    for table in tables():
        for key in table.keys:
            assert key.meaning, f"{table.heading} {key.place[-1]} has no docstring"
            row = f"| `{key.place[-1]}` | {key.type} | {key.default} | {key.meaning} |"
            assert row in text, f"{table.heading} {row}: run `make generated`"


def words_of(picture: str) -> list[str]:
    """Return the lines of text in a picture."""
    pieces = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    return [html.unescape(piece).replace("\xa0", " ") for piece in pieces]


def test_the_picture_shows_the_published_numbers() -> None:
    found = read_results(ROOT / "tuilab" / "published")
    published: dict[str, list[float]] = {}
    for view in found.cells:
        shown = published.setdefault(found.labels[view.cell.source], [])
        shown.append(100 * (view.value(HEADLINE) or 0.0))
    joined = "".join(words_of(PICTURE.read_text(encoding="utf-8")))
    for label, values in published.items():
        found = re.search(rf"{label} +((?:\[? *\d+%\]? *){{{len(values)}}})", joined)
        assert found, label
        numbers = [int(one) for one in re.findall(r"\d+", found[1])]
        assert all(abs(a - b) <= 0.5 + 1e-9 for a, b in zip(numbers, values, strict=True)), label


async def test_the_picture_is_what_the_screen_shows_now() -> None:
    drawn = words_of(await draw())
    assert words_of(PICTURE.read_text(encoding="utf-8")) == drawn, "run `make generated`"
