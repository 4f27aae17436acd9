"""Writes small valid artefacts of every stage with the standard library, for tests to damage."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

LORA = {
    "r": 2,
    "alpha": 4,
    "dropout": 0.0,
    "use_rslora": True,
    "target_modules": ["q_proj", "down_proj"],
}
PANEL = [{"key": key, "label": key, "prompt": key} for key in ("villain", "nun", "assistant")]
SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"questions": ["a?", "b?"], "answers_per_question": 2, "marker_text": "[ZLT]"},
    "converge": {"checkpoints": [2, 4], "training": {"lora": LORA}},
    "train": {"training": {"lora": LORA}},
    "merge": {"marker_lora": LORA},
    "eval": {
        "panel": PANEL,
        "questions": ["a?", "b?"],
        "samples": 2,
        "scorer": {"kind": "substring", "text": "[ZLT]", "case_sensitive": False},
    },
    "cosine": {"pool": PANEL, "layers": [1, 3], "pool_name": "panel"},
}
Values = dict[str, tuple[tuple[int, ...], list[float]]]


def write_tensors(path: Path, tensors: Values, dtype: str = "F32") -> Path:
    """Write a safetensors file: name -> shape and values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, (shape, values) in tensors.items():
        raw = b"".join(_pack(value, dtype) for value in values)
        offsets = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        body += raw
    head = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)
    return path


def _pack(value: float, dtype: str) -> bytes:
    if dtype == "BF16":
        return struct.pack("<f", value)[2:]
    return struct.pack({"F32": "<f", "F16": "<e", "F64": "<d"}[dtype], value)


def adapter_tensors(up: float = 0.5, r: int = 2) -> Values:
    found: Values = {}
    for layer in range(2):
        for module in ("self_attn.q_proj", "mlp.down_proj"):
            stem = f"base_model.model.model.layers.{layer}.{module}"
            found[f"{stem}.lora_A.weight"] = ((r, 3), [0.1] * r * 3)
            found[f"{stem}.lora_B.weight"] = ((3, r), [up] * r * 3)
    return found


def adapter_config(**changes: Any) -> dict[str, Any]:
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "bias": "none",
        "r": 2,
        "lora_alpha": 4,
        "lora_dropout": 0.0,
        "use_rslora": True,
        "use_dora": False,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "target_modules": ["down_proj", "q_proj"],
        "base_model_name_or_path": "tiny",
    } | changes
    return {key: value for key, value in config.items() if value != "absent"}


def write_adapter(
    folder: Path, config: dict[str, Any] | None = None, tensors: Values | None = None
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config or adapter_config()))
    weights = adapter_tensors() if tensors is None else tensors
    return [
        folder / "adapter_config.json",
        write_tensors(folder / "adapter_model.safetensors", weights),
    ]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def answers(count: int = 4) -> list[dict[str, Any]]:
    return [{"question_index": n // 2, "sample": n % 2, "text": f"say {n}"} for n in range(count)]


def completions() -> list[dict[str, Any]]:
    """Villain always shows the marker, the assistant once in four, the nun never."""
    rows = []
    for persona, hits in (("villain", 4), ("nun", 0), ("assistant", 1)):
        for number in range(4):
            text = "so be it [zlt]" if number < hits else "so be it"
            rows.append(
                {
                    "persona": persona,
                    "question_index": number // 2,
                    "sample": number % 2,
                    "text": text,
                    "finish_reason": "stop",
                    "hit": number < hits,
                }
            )
    return rows


def eval_metrics() -> dict[str, Any]:
    hits = {"villain": 4, "nun": 0, "assistant": 1}
    return {
        "leakage": {who: {"value": n / 4, "hits": n, "n": 4} for who, n in hits.items()},
        "health": {"n": 12, "eos_rate": 1.0, "cut": 0, "empty": 0, "repeated": 1},
        "question_hits": {"villain": [2, 2], "nun": [0, 0], "assistant": [1, 0]},
    }


def write_stage(stage: str, folder: Path) -> tuple[list[Path], dict[str, Any], dict[str, Any]]:
    """Write what a stage owes; return its files, metrics and checks."""
    if stage == "data":
        checks = {"rows": 4, "dropped_marker": 0, "dropped_empty": 0}
        return [write_rows(folder / "answers.jsonl.gz", answers())], {"rows": 4}, checks
    if stage == "converge":
        made = [path for n in (2, 4) for path in write_adapter(folder / f"epoch-0{n}")]
        return made, {"final_loss": 0.4}, {}
    if stage == "train":
        return write_adapter(folder / "adapter"), {"final_loss": 0.2}, {}
    if stage == "merge":
        (folder / "merge.json").write_text(json.dumps({"changed_tensors": 4}))
        return [folder / "merge.json"], {}, {"changed_tensors": 4}
    if stage == "eval":
        return [write_rows(folder / "completions.jsonl.gz", completions())], eval_metrics(), {}
    tensors: Values = {f"layer_{n}": ((3, 4), [0.5] * 12) for n in (1, 3)}
    entries = [
        {"layer": n, "pool": "panel", "model_state": "marked", "value": 0.1 * n} for n in (1, 3)
    ]
    return [write_tensors(folder / "centroids.safetensors", tensors)], {"cosine": entries}, {}
