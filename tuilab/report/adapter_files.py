"""Copies the adapters of a cell out of its attempts, each file checked against its record."""

from __future__ import annotations

import shutil
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.report import Outcome, digest, readable_outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec

NAMES = ("adapter_config.json", "adapter_model.safetensors", "lineage.json")
NOTE = """\
marker/ was trained on the base with convergence/ merged into it: merge convergence/ first,
then apply marker/. Without convergence/ (epoch 0) marker/ applies to the base itself.
"""


class AdapterExportError(Exception):
    """The adapters cannot be copied as they were trained; the text says why."""


def copy_adapters(train_attempt: Path, out: Path) -> list[str]:
    """Copy marker/ and, after epoch 0, convergence/ into ``out``; all of it or nothing.

    Raises AdapterExportError when a file differs from what the attempt recorded.
    """
    sources = {"marker": (train_attempt, "adapter")}
    try:
        spec = read_spec(train_attempt / SPEC_FILE)
    except SpecError as error:
        raise AdapterExportError(f"{train_attempt} has no readable spec: {error}") from error
    above = [item for item in spec.inputs if item.job.startswith("converge/")]
    if above:
        place = (train_attempt / above[0].path).resolve()
        sources["convergence"] = (place, f"epoch-{spec.epoch:02d}")
    with atomic.folder(out) as draft:
        for name, (attempt, folder) in sources.items():
            _copy(attempt, folder, draft / name)
        (draft / "README.txt").write_text(NOTE, encoding="utf-8")
    return [str(path) for path in sorted(out.rglob("*")) if path.is_file()]


def _copy(attempt: Path, folder: str, to: Path) -> None:
    outcome = readable_outcome(attempt)
    if outcome is None:
        raise AdapterExportError(f"{attempt} has no outcome, so its adapter cannot be checked")
    to.mkdir(parents=True)
    found = [name for name in NAMES if (attempt / folder / name).is_file()]
    if not set(NAMES[:2]) <= set(found):
        raise AdapterExportError(f"{attempt / folder} holds no complete adapter: relaunch its job")
    for name in found:
        shutil.copyfile(attempt / folder / name, to / name)
        _check(to / name, f"{folder}/{name}", outcome)


def _check(copied: Path, recorded: str, outcome: Outcome) -> None:
    wanted = next((one.sha256 for one in outcome.artefacts if one.path == recorded), None)
    if digest(copied) != wanted:
        raise AdapterExportError(
            f"{recorded} of {outcome.job} is not the file that was recorded: relaunch the job"
        )
