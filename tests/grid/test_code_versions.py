"""Code versions: what a stage imports decides whether its results are stale."""

from __future__ import annotations

import pytest

from tuilab.grid.code_shape import code_shape
from tuilab.grid.fingerprint import canonical, code_versions, digest, number_of
from tuilab.grid.stages import Stage
from tuilab.store.replan import runner_sources

FILES = {
    "runners.train": "from runners.ml import loop\nimport json\n",
    "runners.eval": "from runners.ml.sampling import sample\n",
    "runners.ml.loop": "from runners.ml.deep import x\n",
    "runners.ml.deep": "x = 1\n",
    "runners.ml.sampling": "def sample(): ...\n",
}


def test_a_change_counts_for_the_stages_that_import_it_however_deep() -> None:
    before = code_versions(FILES)
    after = code_versions(FILES | {"runners.ml.deep": "x = 2\n"})
    assert [stage for stage in before if before[stage] != after[stage]] == ["train"]


PROGRAM = """
\"\"\"Trains.\"\"\"
import json
from runners.ml import loop
RATE = 1e-4  # per step
def train(steps: int = 10) -> float:
    \"\"\"Return the loss.\"\"\"
    return RATE * steps
class Kept:
    \"\"\"A record.\"\"\"
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# per step", "# for each step, as in the reference"),
        ("Trains.", "Trains one adapter."),
        ("Return the loss.", "Return the last loss."),
        ("A record.", "What is kept."),
        ("RATE * steps", "(\n        RATE * steps\n    )"),
        ("1e-4", "0.0001"),
    ],
)
def test_words_and_layout_do_not_count(old: str, new: str) -> None:
    assert PROGRAM.replace(old, new) != PROGRAM
    assert code_shape(PROGRAM.replace(old, new)) == code_shape(PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1e-4", "2e-4"),
        ("= 10", "= 10.0"),
        ("RATE * steps", "RATE + steps"),
        ("return RATE", "RATE"),
        ("def train(", "def fit("),
        ("import json", "import math"),
        ("class Kept:", "class Kept(dict):"),
    ],
)
def test_what_the_code_does_counts(old: str, new: str) -> None:
    assert code_shape(PROGRAM.replace(old, new)).hash != code_shape(PROGRAM).hash


def test_a_text_that_is_not_a_docstring_counts() -> None:
    assert code_shape("x = 'a'\n").hash != code_shape("x = 'b'\n").hash
    assert code_shape("x = ['a', 'b']").hash != code_shape("x = ['a'], 'b'").hash


def test_a_module_that_is_no_python_counts_letter_by_letter() -> None:
    assert code_shape("def (").hash != code_shape("def  (").hash
    assert code_shape("def (").imports == ()


def test_stages_without_a_program_still_have_a_version() -> None:
    assert set(code_versions({})) == set(Stage)


def test_hashes_do_not_depend_on_order_or_process() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert canonical({"é": 1.0}) == '{"é":1.0}'
    assert number_of("a", 1) == number_of("a", 1) != number_of("a", 2)
    assert 0 <= number_of("x") < 2**31


def test_what_a_judge_loads_late_decides_its_results_too() -> None:
    files = runner_sources()
    before = code_versions(files)
    for module in ("runners.ml.judge_client", "runners.ml.samplers"):
        changed = code_versions({**files, module: f"{files[module]}\nMORE = 1\n"})
        assert changed["judge"] != before["judge"]
        assert changed["score"] == before["score"]
