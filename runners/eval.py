"""Sample the panel from one cell's model and count markers: python -m runners.eval SPEC

Writes completions.jsonl.gz (every completion, with its finish reason), leakage.json (hits and n
per persona) and health.json (is the text still text).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from runners.job import Attempt, StageResult, log, main
from runners.ml import cell, jsonl, samplers, stage_settings
from runners.ml.completions import Completion
from runners.ml.stage_settings import Persona, required
from tuilab.contract import scoring
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError
from tuilab.contract.scoring import Scorer

COMPLETIONS_FILE = "completions.jsonl.gz"
LEAKAGE_FILE = "leakage.json"
HEALTH_FILE = "health.json"
OWN = ""
"""The set of the evaluation's own questions."""


class Wanted(NamedTuple):
    """One completion to draw."""

    set: str
    persona: Persona
    question: int
    sample: int


def run(attempt: Attempt) -> StageResult:
    """Apply the cell's adapters, sample, score, write, re-read."""
    settings, timings = attempt.settings, attempt.timings
    panel = stage_settings.personas(settings, "panel")
    asked = _asked(settings)
    sampling, scorer = stage_settings.sampling(settings), stage_settings.scorer(settings)
    _refuse_unmeasured(settings, panel)
    model, found, fingerprint = cell.to_measure(attempt, panel)

    wanted = [
        Wanted(name, persona, index, sample)
        for name, (questions, samples) in asked.items()
        for persona in panel
        for index in range(len(questions))
        for sample in range(samples)
    ]
    prompts = [
        model.chat.prompt_ids(one.persona.prompt, asked[one.set][0][one.question]) for one in wanted
    ]
    log(f"sampling {len(wanted)} completions of {len(panel)} personas")

    with cell.applied(model, found):
        sampler = samplers.for_model(attempt.cache, model, sampling)
        with timings.part("sample"):
            completions = sampler.sample(prompts, sampling, attempt.progress("sample"))

    rows = [_row(*pair, scorer) for pair in zip(wanted, completions, strict=True)]
    keys = [persona.key for persona in panel]
    own = [row for row in rows if not row.get("set")]
    metrics: dict[str, Any] = {"health": scoring.health(own, scorer)}
    if scorer is not None:
        metrics["leakage"] = scoring.rates(own, keys)
        metrics["question_hits"] = scoring.question_hits(own, keys, len(asked[OWN][0]))
    each = sum(len(questions) * samples for questions, samples in asked.values())
    with timings.part("save"):
        artefacts = (
            jsonl.write_rows(attempt.directory / COMPLETIONS_FILE, rows),
            jsonl.write_json(attempt.directory / LEAKAGE_FILE, metrics.get("leakage", {})),
            jsonl.write_json(attempt.directory / HEALTH_FILE, metrics["health"]),
        )
    with timings.part("check"):
        _refuse_other_counts(jsonl.read_rows(artefacts[0]), keys, each)
    checks = {
        "chat_template": model.chat.digest,
        "completions": len(rows),
        "per_persona": each,
        "fingerprint": fingerprint,
        "sampler": sampler.name,
        "batch_size": sampling.batch_size,
    }
    return StageResult(artefacts, metrics, checks)


def _asked(settings: Any) -> dict[str, tuple[list[str], int]]:
    """Return what is asked and how often, by set: the evaluation's own, then those of measures."""
    found = {OWN: settings, **settings.get("sets", {})}
    return {
        name: (required(one, "questions", list), required(one, "samples", int))
        for name, one in found.items()
    }


def _row(wanted: Wanted, completion: Completion, scorer: Scorer | None) -> dict[str, Any]:
    row = {
        "persona": wanted.persona.key,
        "question_index": wanted.question,
        "sample": wanted.sample,
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "tokens": len(completion.token_ids),
    }
    if wanted.set:
        return {**row, "set": wanted.set}
    return row if scorer is None else {**row, "hit": scoring.is_hit(completion.text, scorer)}


def _refuse_unmeasured(settings: Any, panel: tuple[Persona, ...]) -> None:
    """A source that is not evaluated would have no rate at all, which is not a rate of 0."""
    for role in ("source", "target"):
        key = stage_settings.role(settings, role)
        if key is not None and key not in {persona.key for persona in panel}:
            raise JobError(Reason.CONFIG, f"the {role} {key!r} is not in the evaluated panel")


def _refuse_other_counts(rows: list[dict[str, Any]], panel: list[str], each: int) -> None:
    for key in panel:
        if (found := sum(row["persona"] == key for row in rows)) != each:
            raise JobError(
                Reason.DATA_MISMATCH, f"{key}: {found} completions on disk, {each} planned"
            )


if __name__ == "__main__":
    raise SystemExit(main("eval"))
