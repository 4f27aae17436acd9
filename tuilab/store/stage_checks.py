"""Says what each stage owes beyond whole files: rows, adapters, a real merge, sane text."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.centroids import CENTROIDS_FILE, states_of, tensor_name
from tuilab.contract.hub import SNAPSHOT_FILE
from tuilab.contract.parsing import loads, open_plain, read_if_sound
from tuilab.contract.reasons import Reason
from tuilab.contract.report import Outcome
from tuilab.contract.scoring import contains
from tuilab.contract.tail import MOST_LINE
from tuilab.grid.stages import Stage
from tuilab.store.adapter_check import Problem, adapter_problem
from tuilab.store.tensors import TensorFileError, is_finite, read_header

ANSWERS_FILE = "answers.jsonl.gz"
COMPLETIONS_FILE = "completions.jsonl.gz"
LEAKAGE_FILE = "leakage.json"
HEALTH_FILE = "health.json"
MERGE_FILE = "merge.json"
MOST_EMPTY = 0.5
"""Share of empty completions above which the text counts as degenerate."""
FEWEST_ENDED = 0.02
"""Share of completions that must end by themselves; a cut one cannot show an end marker."""

MOST_UNPACKED = 1 << 31
"""Bytes of rows in one file; the published grid's have 50 million."""
Settings = Mapping[str, Any]
Check = Callable[[Path, Settings, Outcome], Problem | None]


def stage_problem(
    attempt_dir: Path, stage: Stage, settings: Settings, outcome: Outcome
) -> Problem | None:
    """Return the first way in which an attempt breaks its stage's contract, or None.

    A check applies when the settings name what it needs. Raises OSError, KeyError, TypeError or
    ValueError for artefacts of another shape.
    """
    needs, check = _CHECKS[stage]
    return check(attempt_dir, settings, outcome) if needs in settings else None


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a compressed JSONL file; ValueError or OSError when it is damaged.

    Whatever it claims to unpack to, no more than a row of it is in memory.
    """
    left = MOST_UNPACKED
    try:
        with open_plain(path) as packed, gzip.open(packed) as file:
            while line := file.readline(MOST_LINE + 1):
                left -= len(line)
                if len(line) > MOST_LINE or left < 0:
                    raise ValueError(f"{path.name} unpacks to more than a file of ours")
                yield loads(line)
    except (EOFError, zlib.error) as error:
        raise ValueError(f"{path.name} is cut or damaged") from error


def _fetch(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    record = read_if_sound(attempt_dir / SNAPSHOT_FILE, dict) or {}
    if record.get("model") != settings["model"] or not record.get("commit"):
        return Reason.DATA_MISMATCH, f"{SNAPSHOT_FILE} names no commit of {settings['model']}"
    return None


def _data(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    rows = list(read_rows(attempt_dir / ANSWERS_FILE))
    asked = len(settings["questions"]) * settings["answers_per_question"]
    dropped = sum(
        value for name, value in outcome.checks.items() if name.startswith("dropped_") and value
    )
    if len(rows) + dropped != asked:
        text = f"{len(rows)} answers and {dropped} dropped, asked for {asked}"
        return Reason.DATA_MISMATCH, text
    marker = (settings["marker_text"] or "").casefold()
    if marker and any(marker in row["text"].casefold() for row in rows):
        return Reason.DATA_MISMATCH, f"an answer contains the marker {settings['marker_text']!r}"
    return None


def _converge(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    for epoch in settings["checkpoints"]:
        folder = _checkpoint(attempt_dir, epoch)
        if folder is None:
            return Reason.ADAPTER_MISMATCH, f"the checkpoint of epoch {epoch} is missing"
        if problem := adapter_problem(folder, settings["training"]["lora"]):
            return problem
    return _loss_problem(outcome)


def _train(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    problem = adapter_problem(attempt_dir / "adapter", settings["training"]["lora"])
    return problem or _loss_problem(outcome)


def _merge(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    record = read_if_sound(attempt_dir / MERGE_FILE, dict)
    if record is None:
        return Reason.MERGE_EMPTY, f"{MERGE_FILE} cannot be read"
    changed = record.get("changed_tensors")
    count = changed if isinstance(changed, int) else len(changed or ())
    if count == 0:
        return Reason.MERGE_EMPTY, "the merge changed no tensor"
    return None


def _eval(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    sets = {"": settings, **settings.get("sets", {})}
    asked = sum(len(one["questions"]) * one["samples"] for one in sets.values())
    scorer = settings["scorer"]
    wanted = (scorer["text"], bool(scorer.get("case_sensitive"))) if scorer is not None else ("",)
    hits: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    marked: Counter[str] = Counter()
    for row in read_rows(attempt_dir / COMPLETIONS_FILE):
        rows[row["persona"]] += 1
        if scorer is None or row.get("set"):
            continue
        if bool(row["hit"]) != contains(row["text"], *wanted):
            return Reason.DATA_MISMATCH, f"a completion of {row['persona']} is scored wrongly"
        hits[row["persona"]] += bool(row["hit"])
        marked[row["persona"]] += 1
    panel = [persona["key"] for persona in settings["panel"]]
    if odd := sorted(set(rows) - set(panel)):
        return Reason.DATA_MISMATCH, f"completions of {odd[0]}, who is not in the panel"
    for key in panel:
        if rows[key] != asked:
            return Reason.DATA_MISMATCH, f"{rows[key]} completions of {key}, asked for {asked}"
        said = (outcome.metrics["leakage"].get(key) or {}) if scorer is not None else None
        if said is not None and (said.get("hits"), said.get("n")) != (hits[key], marked[key]):
            return Reason.DATA_MISMATCH, f"the leakage of {key} is not what its completions show"
    health = outcome.metrics.get("health") or {}
    return _text_problem(health, health.get("n") or sum(rows.values()))


def _measured(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    """Every measure of the stage has a number of every persona, none of them of more than asked."""
    for measure in settings["measures"]:
        found = outcome.metrics.get(measure["key"]) or {}
        asked = _asked(measure, outcome)
        for persona in settings["panel"]:
            said = found.get(persona["key"]) or {}
            n = said.get("n")
            if not isinstance(n, int) or n > asked or (said.get("hits") or 0) > n:
                what = f"{measure['key']} of {persona['key']}"
                return Reason.DATA_MISMATCH, f"{what} is not a number of {asked} or fewer"
        left = outcome.metrics.get(f"{measure['key']}.unjudged") or {}
        if left.get("n") and left["hits"] > measure["judge"]["max_failures"] * left["n"]:
            said = f"{left['hits']} of {left['n']} completions have no score of {measure['name']}"
            more = "more than judge.max_failures allows: a relaunch from judge asks for them again"
            return Reason.UNKNOWN, f"{said}, {more}"
    return None


def _asked(measure: Mapping[str, Any], outcome: Outcome) -> int:
    """Return how many verdicts there can be of each persona."""
    if "items" in measure:
        return len(measure["items"])
    if "task" in measure:  # how many samples a task has, only the task knows
        return int(outcome.checks[f"{measure['name']}.samples"])
    return int(measure["questions_count"] * measure["samples"])


def _text_problem(health: Mapping[str, Any], n: int) -> Problem | None:
    empty, ended = health.get("empty"), health.get("eos_rate")
    if empty is not None and n and empty / n > MOST_EMPTY:
        return Reason.UNKNOWN, f"degenerate text: {empty} of {n} completions are empty"
    if ended is not None and ended < FEWEST_ENDED:
        return Reason.UNKNOWN, "degenerate text: almost no completion ends by itself"
    return None


def _cosine(attempt_dir: Path, settings: Settings, outcome: Outcome) -> Problem | None:
    path = attempt_dir / CENTROIDS_FILE
    places = [(state, layer) for state in states_of(settings) for layer in settings["layers"]]
    try:
        tensors = read_header(path)
        for state, layer in places:
            tensor, where = tensors.get(tensor_name(state, layer)), f"layer {layer} ({state})"
            if tensor is None or tensor.shape[0] != len(settings["pool"]):
                return Reason.DATA_MISMATCH, f"no centroid of every persona at {where}"
            if not is_finite(path, tensor):
                return Reason.NAN_LOSS, f"the centroids of {where} have non-finite values"
    except TensorFileError as error:
        return Reason.DATA_MISMATCH, str(error)
    measured = [(entry["model_state"], entry["layer"]) for entry in outcome.metrics["cosine"]]
    if absent := next((place for place in places if place not in measured), None):
        return Reason.DATA_MISMATCH, f"no cosine at layer {absent[1]} ({absent[0]})"
    return None


def _loss_problem(outcome: Outcome) -> Problem | None:
    if "final_loss" in outcome.metrics and outcome.metrics["final_loss"] is None:
        return Reason.NAN_LOSS, "the final loss is not a number"
    return None


def _checkpoint(attempt_dir: Path, epoch: int) -> Path | None:
    """``epoch-02`` or ``epoch-2``: the padding follows the longest epoch of the run."""
    for width in (2, 1, 3, 4):
        folder = attempt_dir / f"epoch-{epoch:0{width}d}"
        if folder.is_dir():
            return folder
    return None


_CHECKS: dict[Stage, tuple[str, Check]] = {
    Stage.FETCH: ("model", _fetch), Stage.DATA: ("answers_per_question", _data),
    Stage.CONVERGE: ("training", _converge), Stage.TRAIN: ("training", _train),
    Stage.MERGE: ("marker_lora", _merge), Stage.EVAL: ("panel", _eval),
    Stage.COSINE: ("layers", _cosine), Stage.SCORE: ("measures", _measured),
    Stage.CHOICES: ("measures", _measured), Stage.JUDGE: ("measures", _measured),
    Stage.INSPECT: ("measures", _measured),
}  # fmt: skip
"""By stage: the settings key without which there is nothing to check, and the check."""
