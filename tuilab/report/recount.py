"""Counts what an attempt measured again, from the completions, verdicts and centroids it left."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from tuilab.contract import scoring
from tuilab.contract.centroids import CENTROIDS_FILE, states_of, tensor_name
from tuilab.contract.scoring import Scorer
from tuilab.grid.stages import Stage
from tuilab.store.stage_checks import ANSWERS_FILE, COMPLETIONS_FILE, read_rows
from tuilab.store.tensors import TensorFileError, read_header

CHECKS = "checks"
"""Among what is counted: those numbers that an outcome has beside its metrics."""
SAME_COSINE = 1e-5
"""Two ways to add up float32 states differ by less."""
SAME = 1e-9
Settings = Mapping[str, Any]
Rows = list[dict[str, Any]]


class UncountableError(Exception):
    """The raw files do not allow to count again; the text says why."""


def recount(
    stage: Stage, settings: Settings, directory: Path, sampled: Path | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Return the metrics that the raw files of an attempt give, and rows that contradict them.

    Under ``CHECKS`` stand numbers that an outcome has among its checks.
    ({}, []) for a stage whose metrics have no raw files behind them. ``sampled`` is the attempt of
    the eval whose completions a score read. Raises UncountableError.
    """
    count = {
        Stage.DATA: _data,
        Stage.EVAL: _eval,
        Stage.SCORE: _score,
        Stage.CHOICES: _choices,
        Stage.JUDGE: _judge,
        Stage.INSPECT: _inspect,
        Stage.COSINE: _cosine,
    }.get(stage)
    if count is None:
        return {}, []
    try:
        return count(settings, directory, sampled)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        said = f"its files have another shape than agreed: {type(error).__name__} {error}"
        raise UncountableError(said) from error
    except (OSError, ValueError) as error:
        raise UncountableError(f"its files cannot be read: {error}") from error


def differences(told: Any, counted: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, what was told, what was counted) for every number that is not the same.

    What was told of by an older program, and so is absent, is no difference.
    """
    if isinstance(counted, Mapping):
        for key, value in counted.items():
            if isinstance(told, Mapping) and key in told:
                yield from differences(told[key], value, f"{where}.{key}" if where else str(key))
    elif isinstance(counted, list) and isinstance(told, list) and len(told) == len(counted):
        for place, value in enumerate(counted):
            yield from differences(told[place], value, f"{where}[{place}]")
    elif not _is_same(told, counted, SAME_COSINE if where.startswith("cosine[") else SAME):
        yield where, told, counted


def corrected(told: Any, counted: Any) -> Any:
    """Return what was told with every number that is not the same as it was counted."""
    if not any(differences(told, counted)):
        return told
    if isinstance(told, Mapping) and isinstance(counted, Mapping):
        both = {key: corrected(told[key], value) for key, value in counted.items() if key in told}
        return {**told, **both}
    return counted


def _is_same(told: Any, counted: Any, within: float) -> bool:
    numbers = (told, counted)
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        return math.isclose(told, counted, rel_tol=within, abs_tol=within)
    return type(told) is type(counted) and bool(told == counted)


def _data(settings: Settings, directory: Path, _: Path | None) -> tuple[dict[str, Any], list[str]]:
    path = directory / ANSWERS_FILE
    if not path.is_file():  # where it is listed, that is named
        return {}, []
    rows = list(read_rows(path))
    lengths = [len(row["token_ids"]) for row in rows]
    sampled = len(settings["questions"]) * settings["answers_per_question"]
    checks = {
        "rows": len(rows),
        "sampled": sampled,
        "questions": len({row["question_index"] for row in rows}),
        "cut": sum(row["finish_reason"] == scoring.LENGTH for row in rows),
    }
    mean = sum(lengths) / len(lengths) if lengths else None
    return {"rows": len(rows), "mean_tokens": mean, CHECKS: checks}, []


def _eval(settings: Settings, directory: Path, _: Path | None) -> tuple[dict[str, Any], list[str]]:
    rows = [row for row in read_rows(directory / COMPLETIONS_FILE) if not row.get("set")]
    panel = _panel(settings, rows)
    if settings["scorer"] is None:
        return {"health": scoring.health(rows, None)}, []
    told = settings["scorer"]
    scorer = Scorer(told["kind"], told["text"], bool(told.get("case_sensitive")))
    wrong = _mark(rows, [scoring.is_hit(row["text"], scorer) for row in rows], "the marker")
    return {
        "health": scoring.health(rows, scorer),
        "leakage": scoring.rates(rows, panel),
        "question_hits": scoring.question_hits(rows, panel, len(settings["questions"])),
    }, wrong


def _score(
    settings: Settings, directory: Path, sampled: Path | None
) -> tuple[dict[str, Any], list[str]]:
    if sampled is None:
        raise UncountableError("the completions that it scored are not in the bundle")
    texts: dict[tuple[Any, ...], str] = {}
    for row in read_rows(sampled / COMPLETIONS_FILE):
        texts[row.get("set", ""), *_place(row)] = row["text"]
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for measure, rows in _by_measure(settings, directory / "scores.jsonl.gz"):
        is_hit = scoring.reader_of(measure)
        hits = [is_hit(texts[measure["set"], *_place(row)]) for row in rows]
        wrong += _mark(rows, hits, measure["key"])
        found |= _counts(settings, measure, rows, measure["questions_count"], found)
    return found, wrong


def _choices(
    settings: Settings, directory: Path, _: Path | None
) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for measure, rows in _by_measure(settings, directory / "choices.jsonl.gz"):
        items = measure["items"]
        hits = [row["choice"] == items[row["question_index"]]["answer"] for row in rows]
        wrong += _mark(rows, hits, measure["key"])
        found |= _counts(settings, measure, rows, len(items), found)
    return found, wrong


def _inspect(
    settings: Settings, directory: Path, _: Path | None
) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for measure, rows in _by_measure(settings, directory / "inspect.jsonl.gz"):
        hits = [None if row["value"] is None else row["value"] >= 1.0 for row in rows]
        wrong += _mark(rows, hits, measure["key"])
        count = max((row["question_index"] + 1 for row in rows), default=0)
        found |= _counts(settings, measure, rows, count, found)
    return found, wrong


def _judge(settings: Settings, directory: Path, _: Path | None) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for measure, rows in _by_measure(settings, directory / "scores.jsonl.gz"):
        if (rule := scoring.threshold(measure["hit"])) is not None:
            scores = [row["score"] for row in rows]
            hits = [None if score is None else rule.is_hit(score) for score in scores]
            wrong += _mark(rows, hits, measure["key"])
        found |= _counts(settings, measure, rows, measure["questions_count"], found)
        means = {}
        for persona in settings["panel"]:
            own = [row["score"] for row in rows if row["persona"] == persona["key"]]
            known = [score for score in own if score is not None]
            mean = sum(known) / len(known) if known else None
            means[persona["key"]] = {"value": mean, "n": len(known)}
        unjudged = sum(row["score"] is None for row in rows)
        found[f"{measure['key']}.score"] = means
        found[f"{measure['key']}.unjudged"] = {"hits": unjudged, "n": len(rows)}
    return found, wrong


def _by_measure(settings: Settings, path: Path) -> Iterator[tuple[Settings, Rows]]:
    rows = list(read_rows(path))
    for measure in settings["measures"]:
        yield measure, [row for row in rows if row["measure"] == measure["key"]]


def _counts(
    settings: Settings, measure: Settings, rows: Rows, questions: int, found: Settings
) -> dict[str, Any]:
    panel = _panel(settings, rows)
    hits = {measure["key"]: scoring.question_hits(rows, panel, questions)}
    return {
        measure["key"]: scoring.rates(rows, panel),
        "question_hits": {**found.get("question_hits", {}), **hits},
    }


def _panel(settings: Settings, rows: Rows) -> list[str]:
    own = [persona["key"] for persona in settings["panel"]]
    return list(dict.fromkeys([*own, *(row["persona"] for row in rows)]))


def _place(row: Settings) -> tuple[Any, ...]:
    return row["persona"], row["question_index"], row["sample"]


def _mark(rows: Rows, hits: Sequence[bool | None], what: str) -> list[str]:
    """Give rows the verdicts that were made again; name how many said otherwise."""
    wrong = sum(row["hit"] is not hit for row, hit in zip(rows, hits, strict=True))
    for row, hit in zip(rows, hits, strict=True):
        row["hit"] = hit
    return [f"{wrong} of {len(rows)} verdicts of {what} are not what was scored"] * bool(wrong)


def _cosine(
    settings: Settings, directory: Path, _: Path | None
) -> tuple[dict[str, Any], list[str]]:
    pool = [persona["key"] for persona in settings["pool"]]
    roles = [_key(settings[role]) for role in ("source", "target")]
    places = [pool.index(role) for role in roles]
    values = []
    for state, layer in product(states_of(settings), settings["layers"]):
        name = tensor_name(state, layer)
        value = _centred_cosine(directory / CENTROIDS_FILE, name, len(pool), places)
        place = {"layer": layer, "pool": settings["pool_name"], "model_state": state}
        values.append({**place, "value": value})
    return {"cosine": values}, []


def _key(named: Any) -> Any:
    return named["key"] if isinstance(named, Mapping) else named


def _centred_cosine(path: Path, name: str, size: int, places: Sequence[int]) -> float | None:
    """The cosine of two centroids less the pool's mean; None where one is the mean itself."""
    import numpy as np

    tensor = read_header(path)[name]
    if tensor.dtype != "F32" or len(tensor.shape) != 2 or tensor.shape[0] != size:
        raise TensorFileError(f"{path.name}: {name} is not one row of float32 for each of the pool")
    count = math.prod(tensor.shape)
    states = np.fromfile(path, "<f4", count, offset=tensor.start).reshape(tensor.shape)
    centred = (states - states.mean(axis=0)).astype(np.float64)
    a, b = centred[places[0]], centred[places[1]]
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return max(-1.0, min(1.0, float(a @ b) / length)) if length > 0 else None
