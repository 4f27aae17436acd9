"""Code versions: what a stage imports decides whether its results are stale."""

from __future__ import annotations

from tuilab.grid.fingerprint import canonical, code_versions, digest, number_of

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


def test_stages_without_a_program_still_have_a_version() -> None:
    assert set(code_versions({})) == {"data", "converge", "train", "merge", "eval", "cosine"}


def test_hashes_do_not_depend_on_order_or_process() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert canonical({"é": 1.0}) == '{"é":1.0}'
    assert number_of("a", 1) == number_of("a", 1) != number_of("a", 2)
    assert 0 <= number_of("x") < 2**31
