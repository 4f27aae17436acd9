"""Run tasks of Inspect AI under every persona's prompt: python -m runners.inspect SPEC

The task's first scorer gives the verdict. Writes inspect.jsonl.gz, one row a sample, and a log for
each persona and measure that ``inspect view`` opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners import stop_signal
from runners.job import Attempt, StageResult, log, main
from runners.ml import cell, jsonl, stage_settings
from runners.ml.stage_settings import Persona, SamplingSettings, required
from tuilab.contract import scoring
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

SAMPLES_FILE = "inspect.jsonl.gz"
Settings = Mapping[str, Any]


def run(attempt: Attempt) -> StageResult:
    """Apply the cell's adapters, ask every task as every persona, count, write."""
    inspect_model = _library()
    settings, timings = attempt.settings, attempt.timings
    panel = stage_settings.personas(settings, "panel")
    measures: list[Settings] = required(settings, "measures", list)
    model, found, fingerprint = cell.to_measure(attempt, panel)
    keys = [persona.key for persona in panel]
    metrics: dict[str, Any] = {"question_hits": {}}
    checks: dict[str, Any] = {"chat_template": model.chat.digest, "fingerprint": fingerprint}
    written: list[Settings] = []
    logs = []
    with cell.applied(model, found), timings.part("sample"):
        for measure in measures:
            key, rows = measure["key"], []
            for place, who in enumerate(panel):
                log(f"{key}: {who.key}")
                asked = inspect_model.Asked(
                    measure, _sampling(settings, measure), _task(attempt, measure), who
                )
                path = attempt.directory / f"{measure['name']}-{place + 1:02d}.eval"
                verdicts = inspect_model.ask(attempt.cache, model, asked, path)
                stop_signal.check()  # Inspect keeps what a sample raises to itself
                rows += _rows(measure, who, verdicts)
                logs.append(path)
                attempt.progress(str(measure["name"]))(place + 1, len(panel))
            written += rows
            metrics[key] = scoring.rates(rows, keys)
            count = max((row["question_index"] + 1 for row in rows), default=0)
            metrics["question_hits"][key] = scoring.question_hits(rows, keys, count)
            checks[f"{measure['name']}.samples"] = len(rows) // len(keys)
    path = jsonl.write_rows(attempt.directory / SAMPLES_FILE, written)
    return StageResult((path, *logs), metrics, {**checks, "rows": len(written)})


def _library() -> Any:
    try:
        from runners.ml import inspect_model
    except ImportError as error:
        said = f"Inspect AI cannot be imported ({error}): pip install 'tuilab[inspect]'"
        raise JobError(Reason.CONFIG, said) from error
    return inspect_model


def _sampling(settings: Settings, measure: Settings) -> SamplingSettings:
    return SamplingSettings(
        temperature=float(measure["temperature"]),
        top_p=1.0,
        top_k=0,
        max_new_tokens=int(measure["max_new_tokens"]),
        batch_size=int(measure["batch_size"]),
        seed=required(settings, "seed", int),
        sampler=required(settings, "sampler", str),
    )


def _task(attempt: Attempt, measure: Settings) -> str:
    """Return what names the task to Inspect; one in a file lies beside the results."""
    if measure["program"] is None:
        return str(measure["task"])
    path = attempt.directory / f"{measure['name']}.py"
    path.write_text(measure["program"], encoding="utf-8")
    return f"{path}@{measure['task']}"


def _rows(measure: Settings, who: Persona, verdicts: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "persona": who.key,
            "question_index": one.sample,
            "measure": measure["key"],
            "value": one.value,
            "hit": None if one.value is None else one.value >= 1.0,
        }
        for one in verdicts
    ]


if __name__ == "__main__":
    raise SystemExit(main("inspect"))
