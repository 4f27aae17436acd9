"""Speaks to Weights & Biases; the only file that imports wandb."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.tracker import translation
from tuilab.contract.report import DONE, Outcome
from tuilab.contract.spec import Spec
from tuilab.contract.tracking import OFFLINE, Order

INIT_SECONDS = 30.0
_QUIET = {
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
"""Nothing but our events goes out: no console, code, host, packages; and no look at the GPU."""


class WandbRun:
    """One run; its steps are our events' ``seq``."""

    def __init__(self, order: Order, spec: Spec, run: str) -> None:
        """Open or resume the run; whatever wandb raises comes through."""
        import wandb

        known = wandb.Settings.model_fields
        self._order, self._run_id = order, run
        self._is_offline = order.mode == OFFLINE
        order.folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            dir=str(order.folder),
            id=run,
            project=order.project,
            entity=order.entity,
            group=order.group,
            job_type=spec.stage,
            name=translation.name_of(spec),
            mode=order.mode,
            config=translation.config_of(spec),
            # Offline there is nobody to ask what is there already: the copy is a whole one.
            resume=None if self._is_offline else "allow",
            settings=wandb.Settings(**{key: _QUIET[key] for key in _QUIET if key in known}),
        )
        self._run.define_metric(f"{translation.TRAINING}*", step_metric=translation.STEP)
        self._first = int(self._run.step)
        self.copied = max(0, self._first - 1)
        """``seq`` of the last event that the tracker has."""

    @property
    def place(self) -> str:
        """Address of the run, or the folder of an offline one."""
        return str(self._folder) if self._is_offline else str(self._run.url or "")

    def take(self, event: Mapping[str, Any]) -> None:
        """Forward one event, unless a resumed run has it already."""
        number = int(event["seq"])
        if number < self._first:
            return
        if values := translation.values_of(event):
            # The time of the event, not of the copy.
            self._run.log({**values, "_timestamp": float(event["at"])}, step=number)
        self.copied = number

    def close(self, outcome: Outcome | None) -> None:
        """Write the summary and close; returns when the tracker has all (or it raises)."""
        self._run.summary.update(translation.summary_of(outcome))
        is_done = outcome is not None and outcome.status == DONE
        self._run.finish(exit_code=0 if is_done else 1)
        if self._is_offline:
            self._drop_former_copies()

    @property
    def _folder(self) -> Path:
        return Path(self._run.dir).parent

    def _drop_former_copies(self) -> None:
        """Remove offline copies of this attempt that this whole one replaces.

        Two of them under one id would reach the server one after the other. What was uploaded
        (marked by ``wandb sync``) stays as its record.
        """
        here = self._folder
        for other in here.parent.glob(f"offline-run-*-{self._run_id}"):
            if other == here or other.is_symlink() or any(other.glob("*.synced")):
                continue
            shutil.rmtree(other, ignore_errors=True)
