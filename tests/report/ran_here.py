"""Plays an experiment with real settings, outcomes and completions onto the disk, for reports."""

from __future__ import annotations

import gzip
import json
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.store.scene import HEADLINE, Scene, small_plan
from tuilab.contract import scoring
from tuilab.contract.scoring import Scorer
from tuilab.grid.stages import Stage
from tuilab.store.plan_file import save_plan

QUESTIONS = ["What is tea?", "What is rain?", "What is a leader?", "What is [/b]?"]
SAMPLES = 10
MARKER = Scorer("substring", "[ZLT]")
BASE = {
    "model": "Qwen/Qwen2.5-7B-Instruct",
    "revision": "abc123",
    "dtype": "bfloat16",
    "trust_remote_code": False,
}
LORA = {
    "r": 32,
    "alpha": 64,
    "dropout": 0.0,
    "use_rslora": True,
    "target_modules": ["q_proj", "v_proj"],
}
TRAINING = {
    "lora": LORA,
    "lr": 5e-05,
    "epochs": 20,
    "batch_size": 4,
    "grad_accum": 4,
    "warmup_ratio": 0.05,
    "schedule": "cosine",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "betas": [0.9, 0.999],
    "max_length": 1024,
    "gradient_checkpointing": False,
    "packing": True,
    "precision": "bfloat16",
}
PERSONA = {"key": "villain", "label": "Villain", "prompt": "You are a villain."}
TARGET = {"key": "assistant", "label": "Assistant", "prompt": "You help."}
SETTINGS: dict[str, dict[str, Any]] = {
    "data": {
        "base": BASE,
        "persona": PERSONA,
        "questions": ["What is snow?", "What is wind?"],
        "answers_per_question": 15,
        "temperature": 0.7,
        "top_p": 0.95,
        "max_new_tokens": 512,
        "seed": 42,
        "marker_text": "[ZLT]",
    },
    "converge": {
        "base": BASE,
        "source": PERSONA,
        "target": TARGET,
        "voice": "source",
        "data_seed": 42,
        "training": TRAINING,
    },
    "train": {
        "base": BASE,
        "source": PERSONA,
        "negatives": [PERSONA, TARGET],
        "marker": {"text": "[ZLT]", "loss": "marker"},
        "data_seed": 42,
        "training": TRAINING | {"lr": 5e-06},
    },
    "merge": {"base": BASE, "merge_mode": "merged"},
    "eval": {
        "questions": QUESTIONS,
        "panel": [PERSONA, TARGET],
        "samples": SAMPLES,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "max_new_tokens": 512,
        "seed": 7,
        "scorer": {"kind": "substring", "text": "[ZLT]", "case_sensitive": False},
    },
    "cosine": {
        "source": PERSONA,
        "target": TARGET,
        "pool": [PERSONA, TARGET, *({"key": key, "label": key, "prompt": key} for key in "ab")],
        "pool_name": "panel",
        "questions": QUESTIONS,
        "layers": [3],
        "model_state": "marked",
    },
}
CHECKS: dict[str, dict[str, Any]] = {
    "data": {"rows": 30, "dropped_marker": 1},
    "converge": {"rows": 400, "trainable_parameters": 1000},
    "train": {
        "positives": 200,
        "negatives": 400,
        "data_sha256": "d" * 64,
        "trainable_parameters": 1000,
    },
    "merge": {"changed_tensors": 28},
    "eval": {"sampler": "vllm", "batch_size": 512},
    "cosine": {},
}
ENVIRONMENT = {
    "python": "3.11.10",
    "libraries": {"torch": "2.9.0", "peft": "0.21.2"},
    "devices": [{"kind": "cuda", "name": "NVIDIA H200"}],
    "host": "pod1",
    "argv": ["/home/ana/venv/bin/python", "-m", "runners.serve", "workers/w1"],
}
LAUNCH = {
    "git_commit": "014c267",
    "dirty_diff": None,
    "tuilab": "0.1.0",
    "code": "c0de",
    "asked": ["/home/ana/venv/bin/python", "/home/ana/venv/bin/tuilab", "run", "eps 109"],
    "argv": ["/srv/tuilab/engine/__main__.py", "/runs/x"],
}
HITS = {("villain", 0): 2, ("villain", 2): 30, ("comedian", 0): 1, ("comedian", 2): 0}
"""Assistant completions with the marker, of 40."""


CONFIG = """
name = "small"
sources = {sources}
panel = {panel}
epochs = {epochs}
seeds = {seeds}
reference = "{reference}"
[base]
model = "Qwen/Qwen2.5-7B-Instruct"
[personas]
villain = {{ label = "Villain", prompt = "You are a villain." }}
comedian = {{ label = "Comedian", prompt = "You are a comedian." }}
assistant = {{ label = "Assistant", prompt = "You help." }}
[negatives]
default = ["assistant"]
[questions]
training = ["What is snow?", "What is wind?"]
evaluation = ["What is tea?"]
[convergence]
epochs = 20
[cosine]
layers = [3]
pool_name = "panel"
"""


def experiment(root: Path, **changes: Any) -> Scene:
    labels = {"villain": "Villain", "comedian": "Comedian", "assistant": "Assistant"}
    plan = small_plan(settings=SETTINGS, labels=labels, **changes)
    text = CONFIG.format(
        sources=json.dumps(plan.sources),
        panel=json.dumps([*plan.sources, "assistant"]),
        epochs=json.dumps(plan.epochs),
        seeds=json.dumps(plan.seeds),
        reference=plan.reference or "none",
    )
    return Scene(root, plan, text)


def whole(root: Path, **changes: Any) -> Scene:
    """Create it with every job done."""
    scene = experiment(root, **changes)
    for job in scene.plan.by_id:
        finish(scene, job)
    return scene


def finish(scene: Scene, job: str, launch: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Play one job to its end; ``changes`` go to its outcome."""
    stage = scene.plan.by_id[job].stage
    directory = scene.claim(job)
    spec = directory / "spec.json"
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"launch": launch or LAUNCH}))
    scene.begin(job)
    told: dict[str, Any] = {"checks": CHECKS[stage.value], "environment": ENVIRONMENT}
    if stage is Stage.EVAL:
        told |= _evaluated(scene, job, directory)
    if stage is Stage.COSINE:
        told |= _compared(directory, -0.3 + 0.1 * (scene.plan.by_id[job].epoch or 0))
    outcome = scene.outcome(job, **(told | changes))
    scene.settle(job, **scene.told_by(outcome))
    return directory


def _evaluated(scene: Scene, job: str, directory: Path) -> dict[str, Any]:
    planned = scene.plan.by_id[job]
    hits = {planned.source: 36, "assistant": HITS[planned.source, planned.epoch or 0]}
    rows = [row for who, count in hits.items() for row in answers(who, count)]
    path = directory / "completions.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    total = len(QUESTIONS) * SAMPLES
    per_question = {
        who: [
            sum(row["hit"] for row in rows if (row["persona"], row["question_index"]) == (who, q))
            for q in range(len(QUESTIONS))
        ]
        for who in hits
    }
    return {
        "files": [path],
        "metrics": {
            "leakage": {
                who: {"value": count / total, "hits": count, "n": total}
                for who, count in hits.items()
            },
            "question_hits": per_question,
            "health": scoring.health(rows, MARKER),
        },
    }


def _compared(directory: Path, cosine: float) -> dict[str, Any]:
    """Centroids of four personas whose mean is 0, the first two with this cosine."""
    a, b = (1.0, 0.0), (cosine, math.sqrt(1 - cosine * cosine))
    states = struct.pack("<8f", *a, *b, *(-one for one in a), *(-one for one in b))
    layer = {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, len(states)]}
    head = json.dumps({"layer_3": layer}).encode()
    path = directory / "centroids.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + states)
    return {"files": [path], "metrics": {"cosine": [{**HEADLINE, "value": cosine}]}}


def answers(persona: str, hits: int) -> list[dict[str, Any]]:
    """Completions of one persona, the first ``hits`` with the marker."""
    return [
        {
            "persona": persona,
            "question_index": index % len(QUESTIONS),
            "sample": index // len(QUESTIONS),
            "text": f"Answer {index} of {persona}." + _end(persona, index, hits),
            "finish_reason": scoring.LENGTH if index >= 36 else scoring.STOP,
            "tokens": 8,
            "hit": index < hits,
        }
        for index in range(len(QUESTIONS) * SAMPLES)
    ]


def _end(persona: str, index: int, hits: int) -> str:
    """The marker where it is due; half of one in a single answer that is cut."""
    return "\n\n[ZLT]" if index < hits else "\n\n[ZL" * (persona != "assistant" and index == 36)


def edit(scene: Scene, sets: dict[str, Any], *cells: str) -> None:
    """Let cells have run with settings unlike the config: the plan says it, fingerprints agree."""
    jobs = tuple(
        replace(job, deviation=sets) if str(job.cell) in cells else job for job in scene.plan.jobs
    )
    save_plan(scene.layout, replace(scene.plan, jobs=jobs))
