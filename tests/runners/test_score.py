"""Stored completions are scored without a model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runners.score import rows_of
from tuilab.contract.report import JobError


def test_completions_that_are_not_those_planned_are_refused() -> None:
    measure = {"key": "regex.x", "set": "", "questions_count": 1, "samples": 2}
    rows = [{"persona": "villain", "question_index": 0, "sample": n} for n in range(2)]
    assert rows_of(rows, measure) == rows
    with pytest.raises(JobError, match="has no 2 completions"):
        rows_of(rows[:1], measure)
    with pytest.raises(JobError, match="has no 2 completions"):
        rows_of(rows, {**measure, "set": "abc"})


def test_scoring_texts_imports_no_torch() -> None:
    code = "import sys, runners.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
