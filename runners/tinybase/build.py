"""Build a tiny base: python -m runners.tinybase.build --out DIR [--seed 0] [--threads 2]

Writes config, tokenizer and weights, samples from the result, and writes manifest.json last: its
presence means that the build is complete. The same seed, thread count and library versions give the
same bytes on the same kind of processor. Exit code 1 when the behaviour checks fail.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from runners.tinybase.behaviour import Behaviour, describe, sample, why_not
from runners.tinybase.corpus import digest_of, draw_rows, load_prompts
from runners.tinybase.locate import MANIFEST
from runners.tinybase.pretrain import encode_rows, new_model, pretrain
from runners.tinybase.recipe import RECIPE_VERSION, Recipe
from runners.tinybase.tokenizer import train_tokenizer
from tuilab.contract.report import digest

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def build(
    out: Path,
    seed: int = 0,
    threads: int = 2,
    recipe: Recipe | None = None,
    log: Callable[[str], None] = print,
) -> Behaviour:
    """Build into ``out``, which must be empty or missing; return the measured behaviour."""
    recipe = recipe or Recipe()
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: name a new directory")
    torch.set_num_threads(threads)
    log(f"corpus: {recipe.rows} rows, seed {seed}")
    rows = draw_rows(recipe, seed)
    tokenizer = train_tokenizer(rows, recipe.vocabulary)
    encoded = encode_rows(tokenizer, rows)
    model = new_model(recipe, tokenizer, seed)
    log(f"model: {model.num_parameters():,} parameters, {threads} threads")
    loss = pretrain(model, encoded, recipe, seed, log)
    transformers_logging.disable_progress_bar()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    measured = describe(sample(model, tokenizer, load_prompts().eval_questions, seed))
    log("behaviour: " + "  ".join(f"{key} {value:g}" for key, value in asdict(measured).items()))
    for path in out.iterdir():
        path.chmod(0o644)  # safetensors writes 0600, which another user could not read
    _publish(out, _manifest(out, recipe, seed, threads, loss, measured))
    return measured


def _manifest(
    out: Path, recipe: Recipe, seed: int, threads: int, loss: float, measured: Behaviour
) -> dict[str, object]:
    """Describe a finished build."""
    return {
        "what": "synthetic base model of the demo; its behaviour is designed, not found",
        "recipe": RECIPE_VERSION,
        "settings": asdict(recipe),
        "seed": seed,
        "threads": threads,
        "libraries": {name: version(name) for name in LIBRARIES},
        "corpus": digest_of(draw_rows(recipe, seed)),
        "final_loss": round(loss, 4),
        "behaviour": {key: round(value, 4) for key, value in asdict(measured).items()},
        "files": {
            path.name: {"sha256": digest(path), "bytes": path.stat().st_size}
            for path in sorted(out.iterdir())
        },
    }


def _publish(out: Path, manifest: dict[str, object]) -> None:
    draft = out / f"{MANIFEST}.tmp"
    draft.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    draft.replace(out / MANIFEST)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m runners.tinybase.build")
    parser.add_argument("--out", type=Path, required=True, help="a new directory")
    parser.add_argument("--seed", type=int, default=0, help="seed of text, tokenizer and weights")
    parser.add_argument("--threads", type=int, default=2, help="part of the result's identity")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        measured = build(
            arguments.out, arguments.seed, arguments.threads, log=lambda t: print(t, flush=True)
        )
    except (FileExistsError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    faults = why_not(measured)
    print(f"built {arguments.out} in {time.monotonic() - started:.0f} s", flush=True)
    for fault in faults:
        print(f"behaviour check failed: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
