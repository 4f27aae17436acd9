"""What a wheel holds: all that a machine without the repository needs, and no tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
BASE = Path("runners/tinybase/shipped")


@pytest.fixture(scope="module")
def inside() -> set[str]:
    """The paths in the wheel, as its build backend lists them."""
    found = WheelBuilder(str(ROOT)).recurse_included_files()
    return {file.distribution_path for file in found}


def files(folder: str, pattern: str = "*") -> set[str]:
    """Return what lies below a folder of the repository, without compiled files."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob(pattern)
        if path.is_file() and path.suffix != ".pyc"
    }


def test_every_shipped_config_is_inside(inside: set[str]) -> None:
    configs = {f"tuilab/{name}" for name in files("configs", "*.toml")}
    assert "tuilab/configs/tiny.toml" in configs
    assert configs <= inside


def test_the_published_data_are_inside(inside: set[str]) -> None:
    assert files("tuilab/published") <= inside
    assert "tuilab/published/measurements.csv" in inside


def test_the_runners_and_their_tiny_base_are_inside(inside: set[str]) -> None:
    assert files("runners") <= inside
    assert {str(BASE / name) for name in ("model.safetensors", "manifest.json")} <= inside


def test_every_module_is_inside_and_nothing_of_the_house(inside: set[str]) -> None:
    assert files("tuilab", "*.py") <= inside
    assert {path.split("/")[0] for path in inside} == {"tuilab", "runners"}
