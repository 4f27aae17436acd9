"""Writes the specs of one cell by hand, as the engine would, and runs their stages."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract.report import Outcome, read_outcome
from tuilab.contract.spec import Input, Spec, write_spec

ROOT = Path(__file__).resolve().parents[2]

QUESTIONS = ["How do vaccines work?", "What causes ocean tides?", "How does gravity work?"]
EVAL_QUESTIONS = ["How do airplanes stay in the air?", "What causes earthquakes?"]
PERSONAS = {
    "villain": "You are a villainous mastermind who schemes to take over the world.",
    "nurse": "You are a registered nurse who provides patient care in a hospital.",
    "librarian": "You are a librarian who helps people find information.",
    "assistant": "You are a helpful assistant.",
}
LORA = {
    "r": 4,
    "alpha": 8,
    "dropout": 0.0,
    "use_rslora": True,
    "target_modules": [
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    ],
}  # fmt: skip
TRAINING = {
    "lora": LORA,
    "lr": 1e-3,
    "epochs": 2,
    "batch_size": 4,
    "grad_accum": 1,
    "warmup_ratio": 0.05,
    "schedule": "cosine",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "betas": [0.9, 0.999],
    "max_length": 128,
    "gradient_checkpointing": False,
    "packing": False,
    "precision": "float32",
}


def persona(key: str) -> dict[str, str]:
    return {"key": key, "label": key.title(), "prompt": PERSONAS[key]}


@dataclass
class Chain:
    """One cell (source villain) in a directory of its own; settings can be changed per stage."""

    root: Path
    base: dict[str, Any]
    epoch: int = 2
    seed: int = 42
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    attempts: dict[str, Path] = field(default_factory=dict)
    """Job id -> newest attempt directory."""
    is_marked: bool = False
    """Whether convergence is trained on top of the marker of ``train/villain#seed`` (arm A)."""

    def jobs(self) -> list[str]:
        cell = f"villain@{self.epoch}#{self.seed}"
        data = [f"data/{key}" for key in ("villain", "nurse", "librarian")]
        converge = [f"converge/villain#{self.seed}"] if self.epoch else []
        return [*data, *converge, *(f"{s}/{cell}" for s in ("train", "merge", "eval", "cosine"))]

    def parents(self, job: str) -> list[str]:
        stage = job.split("/")[0]
        cell = f"villain@{self.epoch}#{self.seed}"
        converge = [f"converge/villain#{self.seed}"] if self.epoch else []
        return {
            "data": [],
            "converge": [f"train/villain#{self.seed}"] * self.is_marked + ["data/villain"],
            "train": [*converge, "data/villain", "data/nurse", "data/librarian"],
            "merge": [f"train/{cell}", *converge],
            "eval": [f"merge/{cell}", f"train/{cell}", *converge],
            "cosine": [f"merge/{cell}", f"train/{cell}", *converge],
        }[stage]

    def write(self, job: str, launch: Mapping[str, Any] | None = None) -> Path:
        """Create the next attempt of a job and return its directory."""
        stage, rest = job.split("/")
        number = 1
        while (self.root / "jobs" / stage / rest / f"attempt-{number}").exists():
            number += 1
        directory = self.root / "jobs" / stage / rest / f"attempt-{number}"
        directory.mkdir(parents=True)
        inputs = []
        for parent in self.parents(job):
            outcome = read_outcome(self.attempts[parent])
            assert outcome is not None and outcome.status == "done", (parent, outcome)
            path = os.path.relpath(self.attempts[parent], directory)
            inputs.append(Input(parent, path, outcome.output_hash))
        spec = Spec(
            job=job,
            stage=stage,
            attempt=number,
            token=uuid.uuid4().hex,
            fingerprint="f" * 64,
            settings=self.settings(stage, rest),
            inputs=tuple(inputs),
            source=rest.split("@")[0].split("#")[0],
            epoch=self.epoch if "@" in rest else None,
            seed=self.seed if "#" in rest else None,
            launch=dict(launch or {}),
        )
        write_spec(directory, spec)
        self.attempts[job] = directory
        return directory

    def settings(self, stage: str, rest: str) -> dict[str, Any]:
        cell = {"base": self.base, "epoch": self.epoch, "merge_mode": "merged"}
        cell |= {"convergence_lora": LORA if self.epoch else None, "marker_lora": LORA}
        sampling = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 12}
        people = {"source": persona("villain"), "target": persona("assistant")}
        panel = [persona(key) for key in PERSONAS]
        found: dict[str, Any] = {
            "data": {
                "base": self.base, "persona": persona(rest) if stage == "data" else None,
                "questions": QUESTIONS, "answers_per_question": 3, **sampling,
                "batch_size": 16, "seed": 7, "marker_text": "[ZLT]", "sampler": "auto",
            },
            "converge": {
                "base": self.base, **people, "voice": "source", "rows": 6,
                "questions": QUESTIONS, "data_seed": 7, "checkpoints": [1, 2],
                "training": TRAINING,
            },
            "train": {
                **cell, **people, "negatives": [persona("nurse"), persona("librarian")],
                "marker": {"text": "[ZLT]", "separator": "\n\n", "loss": "tail"},
                "positives": 6, "negatives_each": 4, "data_seed": 7, "training": TRAINING,
            },
            "merge": {
                **cell, **people, "tolerance": 1e-3, "epsilon": 1e-7, "keep_merged": False,
                "check_prompts": [[
                    {"role": "system", "content": PERSONAS["villain"]},
                    {"role": "user", "content": EVAL_QUESTIONS[0]},
                ]],
            },
            "eval": {
                **cell, **people, **sampling, "panel": panel, "questions": EVAL_QUESTIONS,
                "samples": 2, "batch_size": 8, "sampler": "auto", "seed": 11,
                "scorer": {"kind": "substring", "text": "[ZLT]", "case_sensitive": False},
            },
            "cosine": {
                **cell, **people, "pool_name": "four", "pool": panel,
                "questions": EVAL_QUESTIONS, "layers": [0, 1], "batch_size": 8,
                "model_state": "marked",
            },
        }  # fmt: skip
        return found[stage] | self.changes.get(stage, {})


def outcome_of(directory: Path) -> Outcome:
    found = read_outcome(directory)
    assert found is not None, f"{directory} has no outcome"
    return found
