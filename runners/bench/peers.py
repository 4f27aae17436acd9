"""Times our step and each peer's in turns: same weights, adapters, rows, labels and batches.

A peer that is not installed is left out. TRL's step is its SFTTrainer's with what its docs advise
for speed: Liger's kernels where they run, no checkpointing, and rows without padding through
variable-length attention, here the FlashAttention-2 that PyTorch ships.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from transformers import AttentionInterface, AutoTokenizer

from runners.bench import hf_trainer, training_steps
from runners.bench.subject import Subject
from runners.bench.training_steps import Loss, Variant
from runners.fast import attention, backends
from runners.fast.attention import Scores
from runners.fast.llama_shape import causal_lm
from runners.ml.training_rows import Row
from runners.tinybase import locate

ROUNDS = {"cuda": 2, "cpu": 5}
Measure = Callable[[Subject, int], dict[str, Any]]
"""(subject, steps) -> the figures of a step."""
_MEASURED = ("ms_per_step", "cpu_ms_per_step")
_VARLEN = "torch_varlen"


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to train the same."""

    name: str
    measure: Measure
    needs: tuple[str, ...] = ()
    """Packages."""

    @property
    def missing(self) -> str:
        """Return which of them are not here, or nothing."""
        absent = [name for name in self.needs if find_spec(name) is None]
        return f"{', '.join(absent)} is not installed" if absent else ""


def measure(
    ours: Measure, theirs: Measure, subject: Subject, steps: int, rounds: int
) -> dict[str, Any]:
    """Run both in turns; return the peer's figures, both times and the median ratio of a round."""
    seen = []
    for _ in range(rounds):
        first = ours(subject, steps)
        with _as_it_was(subject.model):
            seen.append((first, theirs(subject, steps)))
    found: dict[str, Any] = {**seen[-1][1], "rounds": rounds}
    for name in _MEASURED:
        mine, other = ([one[side][name] for one in seen] for side in (0, 1))
        found[name] = statistics.median(other)
        found[f"our_{name}"] = statistics.median(mine)
        found[f"times_ours_{name}"] = statistics.median(
            b / a for a, b in zip(mine, other, strict=True)
        )
    slower = found["ms_per_step"] / seen[-1][1]["ms_per_step"]
    return found | {
        "us_per_token": found["us_per_token"] * slower,
        "tflops": found["tflops"] / slower,
    }


def ours(subject: Subject, steps: int) -> dict[str, Any]:
    """Time the step that the runners take."""
    return training_steps.measure(subject, training_steps.FUSED, steps)


@contextmanager
def _recipe(peft: Any, liger: bool) -> Iterator[Loss]:
    """What a user can assemble: no input casts, no padding, the head where there is loss."""
    with backends.lean(peft) as backend, _varlen(peft):
        if liger:
            _use_liger(peft)
        with training_steps.loss_of(nullcontext(backend)) as loss:
            yield loss


def _by_recipe(liger: bool) -> Measure:
    variant = Variant("PEFT recipe", partial(_recipe, liger=liger))
    return lambda subject, steps: training_steps.measure(subject, variant, steps)


def _by_trl(packed: bool, liger: bool) -> Measure:
    def make(peft: Any, options: dict[str, Any], data: Sequence[Row], watch: Any) -> Any:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        lines = [{"input_ids": list(row.ids), "labels": hf_trainer.labels(row)} for row in data]
        config = SFTConfig(
            **options,
            gradient_checkpointing=False,
            max_length=None,
            padding_free=packed,
            use_liger_kernel=liger,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        return SFTTrainer(
            peft,
            config,
            train_dataset=Dataset.from_list(lines),
            processing_class=AutoTokenizer.from_pretrained(locate.shipped_dir()),
            callbacks=[watch],
        )

    def timed(subject: Subject, steps: int) -> dict[str, Any]:
        with _varlen(subject.model) if packed else nullcontext():
            return hf_trainer.measure(subject, steps, make)

    return timed


STOCK = Peer("the stock Trainer", hf_trainer.measure)


def peers_on(kind: str) -> tuple[Peer, ...]:
    """Return all peers, with Liger's kernels where they are installed and run: on a GPU."""
    liger = kind == "cuda" and find_spec("liger_kernel") is not None
    also = ", Liger" if liger else ""
    trl = ("trl", "datasets")
    return (
        Peer(f"PEFT, lean and packed{also}", _by_recipe(liger)),
        Peer(f"TRL, packed{also}", _by_trl(True, liger), trl),
        Peer(f"TRL, padded{also}", _by_trl(False, liger), trl),
        STOCK,
    )


def _use_liger(peft: Any) -> None:
    """Take Liger's norm, RoPE and SwiGLU; the head is left to the loss positions."""
    from liger_kernel.transformers import _apply_liger_kernel_to_instance

    _apply_liger_kernel_to_instance(
        causal_lm(peft), cross_entropy=False, fused_linear_cross_entropy=False
    )


@contextmanager
def _varlen(model: Any) -> Iterator[None]:
    """Let the model attend within packed rows by PyTorch's own kernels, on a CPU row by row."""
    AttentionInterface.register(_VARLEN, _attend_within)
    config = causal_lm(model).config
    before, config._attn_implementation = config._attn_implementation, _VARLEN
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend_within(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    sliding_window: int | None = None,
    packed_cu_seqlens: torch.Tensor | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    packed_lengths: tuple[int, ...] = (),
    max_length_q: int = 0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Read the rows' borders as our fallback names them, or as TRL's collator does."""
    borders = cu_seq_lens_q if packed_cu_seqlens is None else packed_cu_seqlens
    assert borders is not None, "without borders rows would see each other"
    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    if attention.runs_on_gpu(q):
        longest = max_length_q or max(packed_lengths)
        return attention.flash(q, k, v, borders, longest, scaling, sliding_window)[None], None
    lengths = packed_lengths or tuple(borders.diff().tolist())
    scores = Scores(scaling, sliding_window)
    out = attention.packed_attention(q, k, v, borders, lengths, max(lengths), scores=scores)
    return out[None], None


@contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """Undo what a peer patches: methods of the modules, functions beside the model, its config."""
    owners = [*model.modules(), model.config, model.generation_config]
    spaces = [vars(owner) for owner in owners] + [vars(sys.modules[type(model).__module__])]
    before = [dict(space) for space in spaces]
    try:
        yield
    finally:
        for space, kept in zip(spaces, before, strict=True):
            space.clear()
            space.update(kept)
