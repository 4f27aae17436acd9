"""``python -m runners.bench``: measures this machine and prints what a grid would take on it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from runners.bench import (
    ceilings,
    checks,
    cold,
    decoding,
    profile,
    projection,
    runs,
    states,
    steps,
    subject,
    table,
    workload,
)
from runners.bench.sections import Section, run
from runners.bench.subject import Subject
from runners.ml import base_model, sampler_vllm
from runners.ml.stage_settings import BasePlan
from runners.tinybase import locate


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the JSON; 1 when a check shows other mathematics."""
    asked = _parser().parse_args(arguments)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    start = time.perf_counter()
    found = open_subject(asked)
    made = time.perf_counter() - start
    head = {"model": found.name, "device": _device_name(found.device), "torch": torch.__version__}
    command = " ".join(["python -m runners.bench", *sys.argv[1:]])

    def keep(results: dict[str, Any], failed: dict[str, str]) -> None:
        if asked.json:
            record = {"command": command, **head, "results": results, "not_measured": failed}
            draft = asked.json.with_suffix(".draft")
            draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
            draft.replace(asked.json)

    wanted = [s for s in sections(found, asked) if _is_wanted(s.name, asked.only)]
    results, failed = run(
        wanted, asked.minutes * 60, lambda line: print(line, file=sys.stderr), keep
    )
    results["model"] = {"made_or_loaded_s": made}
    keep(results, failed)
    stages = projection.stages(found.work, found.shape, found.element, results)
    sys.stdout.write(table.report(head, results, failed, stages, projection.grid_hours(stages)))
    return 0 if results.get("checks", {}).get("passed", True) else 1


def sections(found: Subject, asked: argparse.Namespace) -> list[Section]:
    """Return all sections, what matters most first."""
    fast = found.device.type == "cuda"
    count = asked.steps or (100 if fast else 20)
    few = max(3, count // (1 if asked.steps else 3))
    whole = decoding.widths(found)[-1]
    return [
        Section("checks", lambda: checks.measure(found)),
        Section("ceilings", lambda: ceilings.measure(found)),
        Section("step: the runners' loop", lambda: runs.measure(found, count)),
        *(
            Section(
                f"step: {v.name}", lambda v=v: steps.measure(found, v, few if v.slow else count)
            )
            for v in reversed(steps.VARIANTS)
        ),
        Section("step: stock Trainer", lambda: _stock(found, few)),
        *([] if fast else [Section("against the stock Trainer", lambda: _contest(found, few))]),
        Section("merge and restore", lambda: states.measure(found)),
        *(
            Section(f"decode: ours, {width} at once", lambda w=width: decoding.measure(found, w))
            for width in (whole, *decoding.widths(found)[:-1])
        ),
        *(
            Section(f"decode: vLLM, {width} at once", lambda w=width: _vllm(found, w))
            for width in (whole, sampler_vllm.SEQUENCES)
            if fast and find_spec("vllm")
        ),
        Section("decode: generate, 64 at once", lambda: decoding.by_generate(found, 64, 32)),
        Section("cold starts", lambda: cold.measure(fast)),
        *(
            [Section("profile", lambda: profile.measure(found, asked.profile))]
            if asked.profile
            else []
        ),
    ]


def _stock(found: Subject, count: int) -> dict[str, Any]:
    from runners.bench import stock  # takes seconds to import

    return stock.measure(found, count)


def _vllm(found: Subject, width: int) -> dict[str, Any]:
    from runners.bench import decoding_vllm

    return decoding_vllm.measure(found, width)


def _contest(found: Subject, count: int) -> dict[str, Any]:
    from runners.bench import contest

    return contest.measure(found, count)


def open_subject(asked: argparse.Namespace) -> Subject:
    """Make or load the model that is asked for, with the workload that goes with it."""
    device = base_model.pick_device("cpu" if asked.cpu else "auto")
    if asked.random_weights or (device.type == "cuda" and not asked.tiny and not asked.model):
        model = subject.random_model(subject.qwen_config(asked.layers), device, torch.bfloat16)
        return Subject(model, device, workload.REFERENCE, "random weights, shape of Qwen2.5-7B")
    if asked.model:
        model, _ = base_model.load(BasePlan(asked.model, dtype="bfloat16", device=device.type))
        return Subject(model, device, workload.REFERENCE, asked.model)
    shipped = (locate.shipped_dir() / locate.MANIFEST).is_file()
    if shipped:
        model, _ = base_model.load(BasePlan("tiny", device=device.type))
    else:
        model = subject.random_model(subject.small_config(), device, torch.float32)
    return Subject(model, device, workload.TINY, "tiny base" if shipped else "tiny, random weights")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} of {os.cpu_count()} threads"


def _is_wanted(name: str, only: str | None) -> bool:
    return only is None or any(name.startswith(part.strip()) for part in only.split(";"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runners.bench", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--random-weights", action="store_true", help="shape of Qwen2.5-7B, no files"
    )
    which.add_argument("--tiny", action="store_true", help="the tiny base (the default on a CPU)")
    which.add_argument("--model", help="hub id or directory of a Qwen2 model")
    parser.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument("--layers", type=int, default=28, help="of the random model")
    parser.add_argument("--threads", type=int, help="torch threads")
    parser.add_argument("--steps", type=int, help="training steps a variant")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no section after this")
    parser.add_argument("--only", help="names of sections, or their beginnings, split by ;")
    parser.add_argument("--profile", type=Path, help="write the kernels of one step to this file")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
