"""Writes a base of random weights: python -m runners.bench.random_checkpoint DIR [--shape SHAPE]

The weights have the exact shape of a published base, of Qwen2.5-7B unless another is named; the
tokenizer is the tiny base's. A config whose base.model is DIR then runs the whole path at real size
on a machine without the real weights: times and bytes are real, results mean nothing. No answer
ends before its limit, whatever the base is trained on, so that an evaluation takes its full time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from runners.bench import subject
from runners.ml import base_model
from runners.tinybase import locate


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the model, on the GPU if there is one, and save it in bfloat16."""
    asked = _parser().parse_args(arguments)
    tokenizer = AutoTokenizer.from_pretrained(locate.shipped_dir())
    config: Any = subject.config_of(asked.shape, asked.layers)
    config.eos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    model = subject.random_model(config, base_model.pick_device("auto"), torch.bfloat16)
    _never_end(model, tokenizer.eos_token_id)
    model.save_pretrained(asked.directory)
    tokenizer.save_pretrained(asked.directory)
    return 0


def _never_end(model: Any, token: int) -> None:
    """Hold a token's logit at zero.

    No adapter reaches the head, and the rows of the others point in all directions: whatever the
    hidden state is trained to be, the token is less likely than an average one.
    """
    model.lm_head.weight.data[token] = 0.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runners.bench.random_checkpoint", description=__doc__
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--shape", choices=list(subject.SHAPES), default=subject.DEFAULT_SHAPE)
    parser.add_argument("--layers", type=int, help="instead of the shape's own number")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
