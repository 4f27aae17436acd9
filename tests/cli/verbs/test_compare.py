"""``tuilab compare``: how far apart, and what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cli.small_grid import call


def test_two_experiments_are_compared(here: Path, ran: Path) -> None:
    same = json.loads(call("compare", "published", "published", "--json").stdout)
    assert (same["measured_in_both"], same["beyond_chance"]) == (77, 0)
    other = call("compare", "published", str(ran))
    assert other.exit_code == 0 and "minus published: assistant leakage" in other.stdout
    assert "Not recorded: the settings of published" in other.stdout
    assert same["settings"]["unrecorded"] == ["published"]
    twin = shutil.copytree(ran, here / "twin")
    assert "twin minus " + ran.name in call("compare", str(ran), str(twin)).stdout
    wrong = call("compare", "published", str(ran), "--metric", "cosin")
    assert wrong.exit_code == 2 and "did you mean cosine?" in wrong.stderr
    assert call("compare", "published", "nowhere").exit_code == 2


def test_cosines_of_another_layer_or_model_are_compared_when_asked_for(here: Path) -> None:
    told = json.loads(call("compare", "published", "published", "--layer", "15", "--json").stdout)
    assert told["metric"] == "cosine" and told["measured_in_both"] > 40
    absent = call("compare", "published", "published", "--layer", "3")
    assert absent.exit_code == 1
    assert "no cosine was measured at layer 3; measured: layer 15, 11 personas" in absent.stderr
    other = call("compare", "published", "published", "--layer", "15", "--metric", "leakage")
    assert other.exit_code == 2 and "say --metric cosine" in other.stderr
