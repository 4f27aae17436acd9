"""One attempt as a run of Weights & Biases; the only file that imports wandb."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from tuilab.contract.foreign import clean
from tuilab.contract.report import DONE, Outcome
from tuilab.contract.spec import Spec
from tuilab.contract.tracking import OFFLINE, Order

TRAINING = "train/"
"""Prefix of what is measured at a training step."""
STEP = f"{TRAINING}step"
TEXT_LIMIT = 300
LIST_LIMIT = 32
"""Longer lists (questions, panels) stay in spec.json."""
_OURS = frozenset({"seq", "at", "t", "kind", "pid"})
INIT_SECONDS = 30.0
_QUIET: dict[str, Any] = {
    "console": "off",
    "silent": True,
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "init_timeout": INIT_SECONDS,
}
"""Nothing but our events is sent: no console, code, host, packages or GPU readings."""


class WandbRun:
    """One run; its steps are our events' ``seq``."""

    def __init__(self, order: Order, spec: Spec, run: str) -> None:
        """Open or resume the run; raises what wandb raises."""
        import wandb

        known = wandb.Settings.model_fields
        self._order, self._run_id = order, run
        mode: Any = order.mode
        self._is_offline = mode == OFFLINE
        order.folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            dir=str(order.folder),
            id=run,
            project=order.project,
            entity=order.entity,
            group=order.group,
            job_type=spec.stage,
            name=name_of(spec),
            mode=mode,
            config=config_of(spec),
            # Offline, nobody knows what was sent already: the copy is a complete one.
            resume=None if self._is_offline else "allow",
            settings=wandb.Settings(**{key: _QUIET[key] for key in _QUIET if key in known}),
        )
        self._run.define_metric(f"{TRAINING}*", step_metric=STEP)
        self._first = int(self._run.step)
        self.copied = max(0, self._first - 1)
        """``seq`` of the last event that the tracker has."""

    @property
    def place(self) -> str:
        """Address of the run, or the folder of an offline one."""
        return str(self._folder) if self._is_offline else str(self._run.url or "")

    def forward(self, event: Mapping[str, Any]) -> None:
        """Forward one event, unless a resumed run has it already."""
        number = int(event["seq"])
        if number < self._first:
            return
        if values := values_of(event):
            # The time of the event, not of the copy.
            self._run.log({**values, "_timestamp": float(event["at"])}, step=number)
        self.copied = number

    def close(self, outcome: Outcome | None) -> None:
        """Write the summary and close; returns once the tracker has everything, or raises."""
        self._run.summary.update(summary_of(outcome))
        is_done = outcome is not None and outcome.status == DONE
        self._run.finish(exit_code=0 if is_done else 1)
        if self._is_offline:
            self._remove_older_copies()

    @property
    def _folder(self) -> Path:
        return Path(self._run.dir).parent

    def _remove_older_copies(self) -> None:
        """Remove offline copies of this attempt that this complete one replaces.

        Two of them under one id would reach the server one after the other. Uploaded ones (marked
        by ``wandb sync``) stay as a record.
        """
        here = self._folder
        for other in here.parent.glob(f"offline-run-*-{self._run_id}"):
            if other == here or other.is_symlink() or any(other.glob("*.synced")):
                continue
            shutil.rmtree(other, ignore_errors=True)


def values_of(event: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of one event; {} for an event without any.

    The tracker's step is the event's ``seq``: it only grows, whatever the work counts, so a
    second copy can continue exactly where a first one stopped. The training step is ``STEP``.
    """
    kind = event.get("kind")
    if kind == "progress":
        return _progress(event)
    if kind not in ("metric", "memory"):
        return {}
    prefix = TRAINING if kind == "metric" else f"{kind}/"
    numbers = {name: value for name, value in event.items() if name not in _OURS}
    found = dict(_numbers(numbers, prefix))
    return found if found.keys() - {STEP} else {}


def _progress(event: Mapping[str, Any]) -> dict[str, float]:
    step, of = event.get("step"), event.get("of")
    if not _is_number(step) or not _is_number(of) or of <= 0:
        return {}
    part = str(event.get("part") or "work")
    found = {f"progress/{part}": 100.0 * step / of}
    if _is_number(event.get("rate")):
        found[f"rate/{part}"] = event["rate"]
    return found


def config_of(spec: Spec) -> dict[str, Any]:
    """Return what tells runs apart: identity, provenance, settings of modest size."""
    launch = {name: spec.launch.get(name) for name in ("git_commit", "dirty_diff", "code")}
    return {
        "job": clean(spec.job, TEXT_LIMIT),
        "attempt": spec.attempt,
        "fingerprint": spec.fingerprint,
        "source": clean(spec.source, TEXT_LIMIT) if spec.source else None,
        "epoch": spec.epoch,
        "seed": spec.seed,
        **launch,
        "inputs": {item.job: item.output_hash for item in spec.inputs},
        "settings": _modest(spec.settings),
    }


def summary_of(outcome: Outcome | None) -> dict[str, Any]:
    """Return the results of a run; an attempt without outcome has only its status."""
    if outcome is None:
        return {"status": "lost"}
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "detail": clean(outcome.detail, TEXT_LIMIT),
        "seconds": outcome.seconds,
        "output_hash": outcome.output_hash,
        **dict(_numbers(outcome.metrics)),
        **{f"seconds/{name}": value for name, value in outcome.timings.items()},
        **{f"peak_memory/{name}": value for name, value in outcome.peak_memory.items()},
    }


def name_of(spec: Spec) -> str:
    """Return the cell (or persona, or convergence run) of an attempt."""
    return clean(spec.job.partition("/")[2], 120)


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield numbers by their path; what is missing stays missing, lists are left out."""
    for name, value in values.items():
        path = f"{prefix}{clean(str(name), TEXT_LIMIT)}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}/")
        elif _is_number(value):
            yield path, value


def _modest(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _modest(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        is_short = len(value) <= LIST_LIMIT and not any(isinstance(v, Mapping) for v in value)
        return [_modest(one) for one in value] if is_short else f"{len(value)} items"
    return clean(value, TEXT_LIMIT) if isinstance(value, str) else value


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
