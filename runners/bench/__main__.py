"""``python -m runners.bench``: measures this machine and prints what a grid would take on it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from runners.bench import (
    ceilings,
    checks,
    cold_starts,
    decoding,
    merge_restore,
    projection,
    report,
    step_profile,
    subject,
    training_runs,
    training_steps,
    workload,
)
from runners.bench.sections import Section, run
from runners.bench.subject import Subject
from runners.ml import base_model, sampler_vllm
from runners.ml.stage_settings import BaseSettings
from runners.tinybase import locate


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the report, write the JSON; 1 when a check fails, 2 when nothing is named."""
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

    every = sections(found, asked)
    wanted = [s for s in every if _is_wanted(s.name, asked.only)]
    if not wanted:
        names = "; ".join(section.name for section in every)
        print(f"--only {asked.only} names no measurement; there are: {names}", file=sys.stderr)
        return 2
    results, failed = run(
        wanted, asked.minutes * 60, lambda line: print(line, file=sys.stderr), keep
    )
    results["model"] = {"made_or_loaded_s": made}
    keep(results, failed)
    stages = (
        []
        if asked.peers
        else projection.stages(found.work, found.shape, found.dtype.itemsize, results)
    )
    sys.stdout.write(report.report(head, results, failed, stages, projection.grid_hours(stages)))
    return 0 if results.get("checks", {}).get("passed", True) else 1


def sections(found: Subject, asked: argparse.Namespace) -> list[Section]:
    """Return all sections, the most important first."""
    fast = found.device.type == "cuda"
    count = asked.steps or (100 if fast else 20)
    few = max(3, count // (1 if asked.steps else 3))
    *narrow, whole = decoding.widths(found)
    in_vllm = (whole, sampler_vllm.MIN_SEQUENCES) if fast and find_spec("vllm") else ()
    first = [
        Section("checks", partial(checks.measure, found)),
        Section("ceilings", partial(ceilings.measure, found)),
    ]
    if asked.peers:
        return [*first, *_against(found, asked.steps or (40 if fast else 5), everyone=True)]
    return [
        *first,
        Section("step: the runners' loop", partial(training_runs.measure, found, count)),
        *(
            Section(
                f"step: {variant.name}",
                partial(training_steps.measure, found, variant, few if variant.slow else count),
            )
            for variant in reversed(training_steps.VARIANTS)
        ),
        *(
            [Section("step: stock Trainer", partial(_hf_trainer, found, few))]
            if fast
            else _against(found, few, everyone=False)
        ),
        Section("merge and restore", partial(merge_restore.measure, found)),
        *(
            Section(f"decode: ours, {width} at once", partial(decoding.measure, found, width))
            for width in (whole, *narrow)
        ),
        *(
            Section(f"decode: vLLM, {width} at once", partial(_vllm, found, width))
            for width in in_vllm
        ),
        Section("decode: generate, 64 at once", partial(decoding.by_generate, found, 64, 32)),
        Section("cold starts", partial(cold_starts.measure, fast)),
        *([_profile(found, asked.profile)] if asked.profile else []),
    ]


def _hf_trainer(found: Subject, count: int) -> dict[str, Any]:
    from runners.bench import hf_trainer  # takes seconds to import

    return hf_trainer.measure(found, count)


def _vllm(found: Subject, width: int) -> dict[str, Any]:
    from runners.bench import decoding_vllm

    return decoding_vllm.measure(found, width)


def _against(found: Subject, count: int, everyone: bool) -> list[Section]:
    from runners.bench import peers  # takes seconds to import

    kind = found.device.type
    us = peers.ours if everyone else training_runs.measure
    return [
        Section(
            f"against {peer.name}",
            partial(peers.measure, us, peer.measure, found, count, peers.ROUNDS[kind]),
            peer.missing,
        )
        for peer in (peers.peers_on(kind) if everyone else (peers.STOCK,))
    ]


def _profile(found: Subject, file: Path) -> Section:
    return Section("profile", partial(step_profile.measure, found, file))


def open_subject(asked: argparse.Namespace) -> Subject:
    """Make or load the model that was asked for, with its workload."""
    device = base_model.pick_device("cpu" if asked.cpu else "auto")
    if asked.random_weights or (device.type == "cuda" and not asked.tiny and not asked.model):
        shape = asked.random_weights or subject.DEFAULT_SHAPE
        model = subject.random_model(subject.config_of(shape, asked.layers), device, torch.bfloat16)
        return Subject(model, device, workload.REFERENCE, f"random weights, shape of {shape}")
    if asked.model:
        model, _ = base_model.load(BaseSettings(asked.model, dtype="bfloat16", device=device.type))
        return Subject(model, device, workload.REFERENCE, asked.model)
    shipped = (locate.shipped_dir() / locate.MANIFEST).is_file()
    if shipped:
        model, _ = base_model.load(BaseSettings("tiny", device=device.type))
    else:
        model = subject.random_model(subject.config_of("tiny"), device, torch.float32)
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
        "--random-weights",
        nargs="?",
        const=subject.DEFAULT_SHAPE,
        choices=list(subject.SHAPES),
        help=f"no files: a published shape ({subject.DEFAULT_SHAPE})",
    )
    which.add_argument("--tiny", action="store_true", help="the tiny base (the default on a CPU)")
    which.add_argument("--model", help="hub id or directory of a model")
    parser.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument("--layers", type=int, help="of the random model")
    parser.add_argument("--threads", type=int, help="torch threads")
    parser.add_argument("--peers", action="store_true", help="our step and its peers', in turns")
    parser.add_argument("--steps", type=int, help="training steps a variant")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no section after this")
    parser.add_argument("--only", help="names of sections, or their beginnings, split by ;")
    parser.add_argument("--profile", type=Path, help="write the kernels of one step to this file")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
