"""What README and docs show can be typed, opened and followed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.grid.rates import TINY_SHAPE
from tuilab.store.replan import read_config

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """Return what a heading of a page is linked by, as GitHub makes it."""
    heads = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name} links {target}"
        assert not anchor or anchor in anchors(file), f"{page.name} links {target}#{anchor}"


IN_BLOCK = re.compile(r"^(?:\$ |here\$ |    )?(?:\.venv/bin/)?(tuilab [^#\n]*)", re.MULTILINE)
IN_LINE = re.compile(r"`(tuilab [^`\n]+)`")


def commands(page: Path) -> list[str]:
    """Return the command lines of ours on a page, without what follows a #."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```|((?:^    .*\n)+)", text, re.DOTALL | re.MULTILINE)
    shown = IN_BLOCK.findall("\n".join(fenced or indented for fenced, indented in blocks))
    found = {line.strip() for line in (*shown, *IN_LINE.findall(text))}
    return sorted(line for line in found if " VERB" not in line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_the_command_line_takes(page: Path) -> None:
    for line in commands(page) if page.name != "CHANGELOG.md" else ():
        words = shlex.split(line)[1:]
        found = call(*(words[2:] if words[:1] == ["--host"] else words), "--help")
        assert found.exit_code == 0 and "Usage" in found.stdout, f"{page.name}: {line}"


AMERICAN = re.compile(
    r"(?i)\b(?:colors?|colored|behaviors?|favors?|centers?|centered|grays?|artifacts?|analyz\w+|"
    r"labeled|labeling|modeling|canceled|catalogs?|optimiz\w+|vectoriz\w+|quantiz\w+|recogniz\w+)\b"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_english_of_the_docs_is_british(page: Path) -> None:
    prose = re.sub(r"(?s)```.*?```|`[^`]*`|\]\([^)]*\)", "", page.read_text(encoding="utf-8"))
    assert AMERICAN.findall(prose) == []


def test_the_numbers_of_the_readme_are_those_of_their_source() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    speed = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    measured = {float(number) for number in re.findall(r"\d+\.\d+|\d+", speed.replace(",", ""))}
    fast = readme.partition("**Fast.**")[2].partition("**Files are the truth.**")[0]
    for number in re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-]|\.\d)", fast.replace(",", "")):
        digits = len(number.partition(".")[2])
        assert float(number) in {round(one, digits) for one in measured}, number
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for size in re.findall(r"[\d.]+ GB", readme.partition("## On a pod")[0]):
        assert size in makefile, size
    tiny, published = (
        read_config(ROOT / "configs" / f"{one}.toml").config for one in ("tiny", "eps109")
    )
    assert f"{len(tiny.sources)} sources × {len(tiny.epochs)} epochs" in readme
    assert f"{len(published.sources)} sources × {len(published.epochs)} checkpoints" in readme
    assert f"{TINY_SHAPE.weights / 1e6:.1f} M-parameter" in readme


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in navigation] == []


def test_the_example_config_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "own-grid.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n# my-grid\.toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    path = tmp_path / "my-grid.toml"
    path.write_text(found[1])
    config = read_config(path).config
    assert config.sources == ("villain", "pirate")
    assert config.marker.lr == 1e-5 and config.marker.positives == 200
