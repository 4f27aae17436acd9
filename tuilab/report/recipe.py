"""What a report was made with beside the experiment: enough to make the very same one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tuilab.contract.parsing import read
from tuilab.grid.limits import Price
from tuilab.store.user_files import gpu_price
from tuilab.study.locked_claims import analysis_code
from tuilab.study.study import Study

RECIPE_FILE = "made-with.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything outside of the experiment that a report depends on."""

    seed: int = 0
    """For drawing samples."""
    kinds: tuple[str, ...] | None = None
    """Kinds of figures; None for all."""
    home: str = ""
    """Home folder, shown as ~."""
    price: Price | None = None
    html: bool = False
    """Whether there is a page of it too."""
    tuilab: str = ""
    matplotlib: str = ""
    """Versions: another may word or draw otherwise."""
    code: str = ""
    """Digest of the analysis code, which the deviations from locked claims name."""

    @property
    def here(self) -> Recipe:
        """The same with the versions and the analysis code that are installed here."""
        found = replace(self, tuilab=_version("tuilab"), matplotlib=_version("matplotlib"))
        return replace(found, code=analysis_code())


def recipe_for(
    study: Study, seed: int = 0, kinds: Sequence[str] | None = None, *, html: bool = False
) -> Recipe:
    """Return what a report of a study is made with here and now."""
    return Recipe(
        seed=seed,
        kinds=None if kinds is None else tuple(kinds),
        home=str(Path.home()),
        price=None if study.reader.is_results_only else gpu_price(),
        html=html,
    ).here


def read_recipe(folder: Path) -> Recipe:
    """Read the recipe beside a report; OSError or ValueError where there is none that is whole."""
    return read(folder / RECIPE_FILE, Recipe)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
