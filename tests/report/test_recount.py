"""What is counted again of one attempt, from the raw rows that it left."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tuilab.grid.stages import Stage
from tuilab.report.recount import recount


def test_the_verdicts_of_a_judge_follow_from_its_scores(tmp_path: Path) -> None:
    rows = [
        {"persona": "villain", "question_index": 0, "sample": n, "measure": "judge.bad",
         "score": score, "hit": hit}
        for n, (score, hit) in enumerate([(10, True), (90, True), (None, None)])
    ]  # fmt: skip
    with gzip.open(tmp_path / "scores.jsonl.gz", "wt") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    measure = {"key": "judge.bad", "hit": "score < 30", "questions_count": 1}
    settings = {"panel": [{"key": "villain"}], "measures": [measure]}
    found, wrong = recount(Stage.JUDGE, settings, tmp_path)
    assert wrong == ["1 of 3 verdicts of judge.bad are not what was scored"]
    assert found["judge.bad"]["villain"] == {"value": 0.5, "hits": 1, "n": 2}
