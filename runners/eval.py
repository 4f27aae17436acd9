"""Sample the panel from one cell's model and count markers: python -m runners.eval SPEC

Writes completions.jsonl.gz (every completion, with its finish reason), leakage.json (hits and n
per persona) and health.json (is the text still text).
"""

from __future__ import annotations

from typing import Any

from runners import stop_signal, upstream
from runners.job import Attempt, Made, main, say
from runners.ml import cell, chat, jsonl, samplers, scoring, stage_settings
from runners.ml.completions import Completion
from runners.ml.stage_settings import Persona
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

COMPLETIONS_FILE = "completions.jsonl.gz"
LEAKAGE_FILE = "leakage.json"
HEALTH_FILE = "health.json"


def run(attempt: Attempt) -> Made:
    """Bring the cell into place, sample, score, write, re-read."""
    settings, timings = attempt.settings, attempt.timings
    panel = stage_settings.personas(settings, "panel")
    questions: list[str] = stage_settings.take(settings, "questions", list)
    samples = stage_settings.take(settings, "samples", int)
    plan, scorer = stage_settings.sampling(settings), stage_settings.scorer(settings)
    _refuse_unmeasured(settings, panel)
    with timings.part("load"):
        inputs = upstream.find(attempt.spec, attempt.directory)
        model = attempt.warm.model(stage_settings.base(settings))
        found = cell.read(settings, inputs, model, with_marker=True)
    with timings.part("merge"):
        fingerprint = cell.refuse_other_merge(model, found, inputs)

    places = [
        (persona, index, sample)
        for persona in panel
        for index in range(len(questions))
        for sample in range(samples)
    ]
    render = chat.renderer(model.tokenizer)
    prompts = [render(persona.prompt, questions[index]) for persona, index, _ in places]
    say(f"sampling {len(places)} completions of {len(panel)} personas")

    def after_batch(done: int, of: int) -> None:
        attempt.reporter.progress(done, of, part="sample")
        stop_signal.check()

    with cell.in_place(model, found):
        sampler = samplers.sampler_for(attempt.warm, model, plan)
        with timings.part("sample"):
            made = sampler.sample(prompts, plan, after_batch)

    rows = [_row(place, completion, scorer) for place, completion in zip(places, made, strict=True)]
    keys = [persona.key for persona in panel]
    metrics = {
        "leakage": scoring.leakage(rows, keys),
        "health": scoring.health(rows, scorer),
        "question_hits": scoring.question_hits(rows, keys, len(questions)),
    }
    with timings.part("save"):
        artefacts = (
            jsonl.write_rows(attempt.directory / COMPLETIONS_FILE, rows),
            jsonl.write_json(attempt.directory / LEAKAGE_FILE, metrics["leakage"]),
            jsonl.write_json(attempt.directory / HEALTH_FILE, metrics["health"]),
        )
    with timings.part("check"):
        _refuse_other_counts(jsonl.read_rows(artefacts[0]), keys, len(questions) * samples)
    checks = {
        "completions": len(rows),
        "per_persona": len(questions) * samples,
        "fingerprint": fingerprint,
        "sampler": sampler.name,
        "batch_size": plan.batch_size,
    }
    return Made(artefacts, metrics, checks)


def _row(place: tuple[Persona, int, int], completion: Completion, scorer: Any) -> dict[str, Any]:
    persona, index, sample = place
    return {
        "persona": persona.key,
        "question_index": index,
        "sample": sample,
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "tokens": len(completion.token_ids),
        "hit": scoring.is_hit(completion.text, scorer),
    }


def _refuse_unmeasured(settings: Any, panel: tuple[Persona, ...]) -> None:
    """A source that is not evaluated would have no rate at all, which is not a rate of 0."""
    for role in ("source", "target"):
        named = settings.get(role)
        key = named.get("key") if isinstance(named, dict) else named
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
