"""Makes the model of one cell from its adapters, the same way for every stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runners import upstream
from runners.ml import adapter, base_checks, stage_settings
from runners.ml.adapter import Adapter
from runners.ml.lora_layers import LoraLayers
from runners.ml.model_cache import LoadedModel
from tuilab.contract.centroids import BASE, CONVERGED, MARKED
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from runners.job import Attempt
    from runners.ml.stage_settings import Persona

MERGE_FILE = "merge.json"
ADAPTER_FOLDER = "adapter"
MERGED, STACKED = "merged", "stacked"


@dataclass(frozen=True, slots=True)
class Cell:
    """The adapters of one cell, read and checked."""

    mode: str
    """``merged`` or ``stacked``."""
    convergence: Adapter | None
    """None at epoch 0."""
    marker: Adapter | None
    """None while it is to be trained."""
    marker_first: bool = False
    """Whether the convergence was trained on top of the marker, and not the marker on top of it."""

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """All adapters, in the order they were trained and are merged."""
        pair = (self.convergence, self.marker)
        return tuple(item for item in (pair[::-1] if self.marker_first else pair) if item)

    @property
    def last(self) -> Adapter:
        """The adapter on top of the others."""
        return self.adapters[-1]

    @property
    def below_last(self) -> tuple[Adapter, ...]:
        """The adapters that the last one was trained on top of."""
        return self.adapters[:-1]


def read(
    settings: Mapping[str, Any], inputs: upstream.Inputs, model: LoadedModel, *, with_marker: bool
) -> Cell:
    """Read the adapters named by the inputs; refuse any that was not made for this cell."""
    mode = stage_settings.required(settings, "merge_mode", str)
    if mode not in (MERGED, STACKED):
        raise JobError(Reason.CONFIG, f"merge_mode is {mode!r}; it must be merged or stacked")
    epoch = stage_settings.required(settings, "epoch", int)
    found = Cell(
        mode=mode,
        convergence=_convergence(settings, inputs, model, epoch),
        marker=marker(settings, inputs, model) if with_marker else None,
        marker_first=bool(settings.get("marker_first")),
    )
    if found.marker is not None:
        is_below = found.convergence is not None and not found.marker_first
        below = found.convergence.digest if is_below and found.convergence else None
        adapter.refuse_other_convergence(found.marker.lineage, below, mode)
    for item in found.adapters:
        adapter.refuse_other_base(item.lineage, model.fingerprint)
        adapter.check_fits(item, adapter.modules_of(model.model, item.lora))
    return found


def to_measure(attempt: Attempt, personas: Sequence[Persona]) -> tuple[LoadedModel, Cell, str]:
    """Load a cell that was merged, for a stage that measures it under some personas' prompts.

    Returns the model, not yet merged, the cell and the fingerprint of its merge. JobError where
    the base cannot show the prompts, or what was merged is not what lies here.
    """
    settings = attempt.settings
    with attempt.timings.part("load"):
        inputs = upstream.find(attempt.spec, attempt.directory)
        model = attempt.cache.model(stage_settings.base(settings))
        upstream.refuse_other_chat(inputs, model.chat.digest)
        base_checks.refuse(base_checks.of_personas(model.chat, personas))
        found = read(settings, inputs, model, with_marker=True)
    with attempt.timings.part("merge"):
        return model, found, refuse_other_merge(model, found, inputs)


def in_state(cell: Cell, state: str) -> Cell:
    """Return a cell with those adapters alone that its model has in an earlier state."""
    if state == MARKED:
        return cell
    if state not in (BASE, CONVERGED):
        raise JobError(
            Reason.CONFIG, f"model state {state!r} is none of {BASE}, {CONVERGED}, {MARKED}"
        )
    if state == CONVERGED and cell.marker_first and cell.convergence:
        why = "the convergence was trained on top of the marker: no model is converged alone"
        raise JobError(Reason.CONFIG, why)
    return replace(cell, marker=None, convergence=cell.convergence if state == CONVERGED else None)


@contextmanager
def applied(model: LoadedModel, cell: Cell) -> Iterator[None]:
    """Give the model all adapters of the cell while the block runs: merged, or as LoRA layers."""
    if cell.mode == MERGED:
        model.set_adapters(cell.adapters)
        yield
        return
    model.set_adapters([])
    with model.attached(LoraLayers(frozen=cell.adapters)):
        yield


def fingerprint(model: LoadedModel, cell: Cell) -> str:
    """Identify the cell's model by content: its weights when merged, its parts when stacked."""
    if cell.mode == MERGED:
        model.set_adapters(cell.adapters)
        return model.current_fingerprint()
    parts = [model.fingerprint, *(item.digest for item in cell.adapters)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def refuse_other_merge(model: LoadedModel, cell: Cell, inputs: upstream.Inputs) -> str:
    """Compare the rebuilt model with the merge record; return the fingerprint they share."""
    path = upstream.one(inputs, "merge").file(MERGE_FILE)
    recorded: str = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
    found = fingerprint(model, cell)
    if found != recorded:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"the merged model is {found[:12]}, its merge record says {recorded[:12]}: "
            "merged on another kind of device, or with another number of threads",
        )
    return found


def _convergence(
    settings: Mapping[str, Any], inputs: upstream.Inputs, model: LoadedModel, epoch: int
) -> Adapter | None:
    if epoch == 0:
        return None
    lora = stage_settings.lora(settings, "convergence_lora")
    if lora is None:
        raise JobError(Reason.CONFIG, f"epoch {epoch} needs convergence_lora")
    directory = upstream.one(inputs, "converge").folder(f"epoch-{epoch:02d}")
    found = adapter.read(directory, lora, model.device)
    if found.lineage.epoch != epoch:
        raise JobError(
            Reason.ADAPTER_MISMATCH,
            f"{directory.name} holds the checkpoint of epoch {found.lineage.epoch}",
        )
    return found


def marker(settings: Mapping[str, Any], inputs: upstream.Inputs, model: LoadedModel) -> Adapter:
    """Read the marker adapter among the inputs."""
    lora = stage_settings.lora(settings, "marker_lora")
    if lora is None:
        raise JobError(Reason.CONFIG, "spec.settings lacks marker_lora")
    return adapter.read(upstream.one(inputs, "train").folder(ADAPTER_FOLDER), lora, model.device)
