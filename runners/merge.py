"""Merge one cell's adapters into the base and verify it: python -m runners.merge SPEC

Writes merge.json: what changed and by how much, the result's fingerprint, and that merged logits
agree with adapter logits on fixed prompts. The weights stay in memory; ``keep_merged`` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from runners import faults, upstream
from runners.job import Attempt, StageResult, log, main
from runners.ml import cell, jsonl, logits, merged_checkpoint, stage_settings
from runners.ml.cell import MERGE_FILE, MERGED, Cell
from runners.ml.lora_layers import LoraLayers
from runners.ml.lora_merge import Change
from runners.ml.model_cache import LoadedModel
from runners.ml.stage_settings import required
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def run(attempt: Attempt) -> StageResult:
    """Check the adapters, compare live and merged logits, measure, record."""
    settings, timings = attempt.settings, attempt.timings
    tolerance: float = required(settings, "tolerance", (int, float))
    epsilon: float = required(settings, "epsilon", (int, float))
    with timings.part("load"):
        inputs = upstream.find(attempt.spec, attempt.directory)
        model = attempt.cache.model(stage_settings.base(settings))
        upstream.refuse_other_chat(inputs, model.chat.digest)
        found = cell.read(settings, inputs, model, with_marker=True)
    assert found.marker is not None, "cell.read returns the marker adapter when asked to"
    prompts = check_prompts(settings, model)

    with timings.part("merge"):
        model.set_adapters(found.below_last)
        _refuse_other_weights(model, found)
        before = logits.of_prompts(model.model, prompts)
        with model.attached(LoraLayers(frozen=(found.last,))):
            live = logits.of_prompts(model.model, prompts)
        if faults.is_set(attempt.spec, "empty"):
            found.last.weights[next(iter(found.last.weights))][1].zero_()
        last_change = model.merge(found.last, measured=True)
        merged = logits.of_prompts(model.model, prompts)
        base_change = model.change_from_base(last_change)
    with timings.part("check"):
        _refuse_no_change(last_change, epsilon)
        agreement = logits.compare(live, merged, before)
        _refuse_disagreement(agreement["max_abs"], tolerance)
        result = cell.fingerprint(model, found)
    worst = min(change.relative for change in last_change.values())
    log(f"{len(last_change)} weights changed, at least {worst:.2e} of their norm")

    record = {
        **_what_was_merged(model, found),
        "fingerprint": result,
        "changed_tensors": len(last_change),
        f"{found.last.lineage.role}_change": _as_json(last_change),
        "change_from_base": _as_json(base_change),
        # The measured differences are in the outcome's checks: their last bits depend on memory
        # addresses, and the record of one merge must hash the same every time.
        "logits_agree_on": len(prompts),
        "tolerance": tolerance,
        "epsilon": epsilon,
        "chat_template": model.chat.digest,
    }
    with timings.part("save"):
        saved: list[Path] = [jsonl.write_json(attempt.directory / MERGE_FILE, record)]
        if settings.get("keep_merged"):
            saved += merged_checkpoint.write(model, found, attempt.directory / "merged")
    checks = {
        "chat_template": model.chat.digest,
        "changed_tensors": len(last_change),
        "smallest_relative_change": worst,
        **{f"logits_{name}": value for name, value in agreement.items()},
        "fingerprint": result,
    }
    return StageResult(tuple(saved), {"relative_change": worst}, checks)


def _refuse_disagreement(distance: float, tolerance: float) -> None:
    if not distance <= tolerance:  # also where it is not a number
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"merged and adapter logits differ by {distance:.3g}, more than {tolerance:g}",
        )


def check_prompts(settings: Mapping[str, Any], model: LoadedModel) -> list[list[int]]:
    """Render the fixed chats on which live and merged adapters are compared."""
    chats = required(settings, "check_prompts", list)
    if not chats:
        raise JobError(Reason.CONFIG, "check_prompts is empty: a merge cannot be verified")
    return [model.chat.ids(messages) for messages in chats]


def _what_was_merged(model: LoadedModel, found: Cell) -> dict[str, Any]:
    return {
        "merge_mode": found.mode,
        "base_fingerprint": model.fingerprint,
        "convergence_adapter": found.convergence.digest if found.convergence else None,
        "marker_adapter": found.marker.digest if found.marker else None,
    }


def _as_json(changes: dict[str, Change]) -> dict[str, Any]:
    return {name: asdict(change) for name, change in changes.items()}


def _refuse_other_weights(model: LoadedModel, found: Cell) -> None:
    """The last adapter must be merged into the very weights it was trained on."""
    lineage = found.last.lineage
    is_marker = found.last is found.marker
    below = replace(found, marker=None) if is_marker else replace(found, convergence=None)
    present = cell.fingerprint(model, below)
    if lineage.trained_on != present:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"the {lineage.role} adapter was trained on {lineage.trained_on[:12]}, "
            f"this model is {present[:12]}",
        )
    if found.mode != MERGED:
        model.set_adapters(found.below_last)


def _refuse_no_change(changes: dict[str, Change], epsilon: float) -> None:
    """Every target module must change by more than epsilon of its norm, to finite values."""
    for name, change in changes.items():
        if not change.finite:
            raise JobError(Reason.NAN_LOSS, f"{name} has non-finite values after the merge")
        if not change.relative > epsilon:
            raise JobError(
                Reason.MERGE_EMPTY,
                f"{name} changed by {change.relative:.1e} of its norm, not more than {epsilon:g}",
            )


if __name__ == "__main__":
    raise SystemExit(main("merge"))
