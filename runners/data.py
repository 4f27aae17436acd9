"""Sample one persona's own answers from the untouched base: python -m runners.data SPEC

Writes answers.jsonl.gz, one row per answer; answers that already contain the marker are dropped
and counted, because a negative row with a marker would teach the opposite.
"""

from __future__ import annotations

from typing import Any

from runners.job import Attempt, StageResult, log, main
from runners.ml import jsonl, samplers, stage_settings
from runners.ml.answers import ANSWERS_FILE
from runners.ml.stage_settings import required
from tuilab.contract import scoring
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def run(attempt: Attempt) -> StageResult:
    """Sample, drop marked answers, write, check."""
    settings, timings = attempt.settings, attempt.timings
    persona = stage_settings.persona(settings, "persona")
    questions: list[str] = required(settings, "questions", list)
    each = required(settings, "answers_per_question", int)
    sampling = stage_settings.sampling(settings)
    text: str | None = required(settings, "marker_text", (str, type(None)))
    with timings.part("load"):
        model = attempt.cache.model(stage_settings.base(settings))
        model.set_adapters([])

    wanted = [(index, sample) for index in range(len(questions)) for sample in range(each)]
    rendered = [model.chat.prompt_ids(persona.prompt, text) for text in questions]
    log(f"sampling {len(wanted)} answers as {persona.key}")

    with timings.part("sample"):
        sampler = samplers.for_model(attempt.cache, model, sampling)
        prompts = [rendered[index] for index, _ in wanted]
        completions = sampler.sample(prompts, sampling, attempt.progress("sample"))

    rows: list[dict[str, Any]] = [
        {
            "question_index": index,
            "question": questions[index],
            "sample": sample,
            "text": completion.text,
            "token_ids": list(completion.token_ids),
            "finish_reason": completion.finish_reason,
        }
        for (index, sample), completion in zip(wanted, completions, strict=True)
    ]
    marked = [text is not None and scoring.contains(row["text"], text) for row in rows]
    pairs = zip(rows, marked, strict=True)
    kept = [row for row, is_marked in pairs if row["token_ids"] and not is_marked]
    with timings.part("save"):
        path = jsonl.write_rows(attempt.directory / ANSWERS_FILE, kept)
        if jsonl.read_rows(path) != kept or len(rows) != len(questions) * each:
            raise JobError(Reason.DATA_MISMATCH, "the answers read back differ from those sampled")
    checks = {
        "chat_template": model.chat.digest,
        "sampled": len(rows),
        "rows": len(kept),
        "dropped_marker": sum(marked),
        "dropped_empty": sum(not row["token_ids"] for row in rows),
        "cut": sum(row["finish_reason"] == scoring.LENGTH for row in kept),
        "questions": len({row["question_index"] for row in kept}),
        "sampler": sampler.name,
        "base_fingerprint": model.fingerprint,
    }
    return StageResult((path,), {"rows": len(kept), "mean_tokens": _mean_tokens(kept)}, checks)


def _mean_tokens(rows: list[dict[str, Any]]) -> float | None:
    return sum(len(row["token_ids"]) for row in rows) / len(rows) if rows else None


if __name__ == "__main__":
    raise SystemExit(main("data"))
