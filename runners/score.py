"""Score stored completions by their text: python -m runners.score SPEC

Loads no model. Writes scores.jsonl.gz, one row for each completion and measure that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners import upstream
from runners.job import Attempt, StageResult, log, main
from runners.ml import jsonl, stage_settings
from runners.ml.stage_settings import required
from tuilab.contract import scoring
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

COMPLETIONS_FILE = "completions.jsonl.gz"
SCORES_FILE = "scores.jsonl.gz"

Settings = Mapping[str, Any]


def run(attempt: Attempt) -> StageResult:
    """Read the completions, score, count, write."""
    settings = attempt.settings
    panel = [persona.key for persona in stage_settings.personas(settings, "panel")]
    measures: list[Settings] = required(settings, "measures", list)
    rows = completions(attempt)
    log(f"scoring {len(rows)} completions by {len(measures)} measures")
    metrics: dict[str, Any] = {"question_hits": {}}
    written: list[Mapping[str, Any]] = []
    for measure in measures:
        is_hit, key = scoring.reader_of(measure), str(measure["key"])
        scored = [
            {**place(row), "measure": key, "hit": is_hit(str(row["text"]))}
            for row in rows_of(rows, measure)
        ]
        written += scored
        metrics[key] = scoring.rates(scored, panel)
        hits = scoring.question_hits(scored, panel, measure["questions_count"])
        metrics["question_hits"][key] = hits
    path = jsonl.write_rows(attempt.directory / SCORES_FILE, written)
    return StageResult((path,), metrics, {"completions": len(rows), "scores": len(written)})


def completions(attempt: Attempt) -> list[dict[str, Any]]:
    """Return what the eval above sampled."""
    found = upstream.find(attempt.spec, attempt.directory)
    return jsonl.read_rows(upstream.one(found, "eval").file(COMPLETIONS_FILE))


def rows_of(rows: list[dict[str, Any]], measure: Settings) -> list[dict[str, Any]]:
    """Return the completions that a measure reads, by persona, question and sample.

    Raises JobError (data-mismatch) where a persona has another number of them than is planned.
    """
    found = [row for row in rows if row.get("set", "") == measure["set"]]
    each = measure["questions_count"] * measure["samples"]
    counts: dict[str, int] = {}
    for row in found:
        counts[row["persona"]] = counts.get(row["persona"], 0) + 1
    if not found or set(counts.values()) != {each}:
        raise JobError(
            Reason.DATA_MISMATCH,
            f"{measure['key']}: the eval has no {each} completions of every persona to read",
        )
    return found


def place(row: Settings) -> dict[str, Any]:
    """What names a completion."""
    return {name: row[name] for name in ("persona", "question_index", "sample")}


if __name__ == "__main__":
    raise SystemExit(main("score"))
