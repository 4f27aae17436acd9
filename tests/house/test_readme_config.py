"""The README's example of a config is one that can be planned."""

from __future__ import annotations

import re
from pathlib import Path

from tuilab.store.replan import read_config

README = Path(__file__).parents[2] / "README.md"


def test_the_example_config_of_the_readme_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```toml\n# my-grid\.toml\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    path = tmp_path / "my-grid.toml"
    path.write_text(found[1])
    config = read_config(path).config
    assert config.sources == ("villain", "pirate")
    assert config.marker.lr == 1e-5 and config.marker.positives == 200
