"""Writes a cell's merged model as a standard checkpoint for other programs."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from transformers import AutoTokenizer

from runners.ml import chat
from runners.ml.cell import Cell
from runners.ml.model_cache import LoadedModel
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def write(model: LoadedModel, cell: Cell, directory: Path) -> list[Path]:
    """Save weights, config and tokenizer; JobError (code) when the chat template changes by it."""
    model.set_adapters(cell.adapters)
    model.detach()
    model.model.save_pretrained(directory, safe_serialization=True)
    model.tokenizer.save_pretrained(directory)
    _remove_local_path(directory / "config.json")
    saved = AutoTokenizer.from_pretrained(directory)
    if chat.of_base(saved, model.settings).digest != model.chat.digest:
        raise JobError(Reason.CODE, "the chat template changed while the merged model was saved")
    written = sorted(path for path in directory.rglob("*") if path.is_file())
    _follow_umask(written, directory)
    return written


def _follow_umask(written: list[Path], directory: Path) -> None:
    """safetensors keeps its files to their owner: others of this machine could not load them."""
    probe = directory / ".mode"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    for path in written:
        path.chmod(stat.S_IMODE(mode))


def _remove_local_path(config: Path) -> None:
    found = json.loads(config.read_text(encoding="utf-8"))
    found.pop("_name_or_path", None)
    config.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
