"""The decoder of the Llama shape over packed tokens, with its own weights and live adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from runners.fast import attention, llama_shape, ops
from runners.fast.fused_lora import FusedLoraLinear
from runners.fast.llama_shape import LlamaShape
from runners.fast.packing import PackedBatch, Sharing
from runners.fast.torch_ops import HeadNorms

Attend = Callable[
    [int, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor
]
"""(layer, q [t, heads, d], k and v [t, kv heads, d], where) -> [t, heads, d], or its rows there."""


class DecoderLayer:
    """One decoder layer as four fused matrix products."""

    def __init__(self, layer: Any, config: Any, shape: LlamaShape) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.scores = llama_shape.scores_of(layer, config)
        self.norms = [layer.get_submodule(name).weight.data for name in shape.norms]
        self.head_norms: HeadNorms | None = None
        """Of each query and key head."""
        self.wide_norms: HeadNorms | None = None
        """Of all queries and of all keys of a token together, as OLMo 2 has them."""
        if hasattr(attention, "q_norm"):
            found = HeadNorms(attention.q_norm.weight.data, attention.k_norm.weight.data, shape.eps)
            if len(found.q) == shape.width:
                self.head_norms = found
            else:
                self.wide_norms = found
        self.qkv = FusedLoraLinear([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = FusedLoraLinear([attention.o_proj], pads_output=True)
        self.gate_up = FusedLoraLinear([mlp.gate_proj, mlp.up_proj])
        self.down = FusedLoraLinear([mlp.down_proj], pads_output=True)

    @property
    def linears(self) -> tuple[FusedLoraLinear, ...]:
        """In the order of the forward pass."""
        return self.qkv, self.out, self.gate_up, self.down


class Decoder:
    """Everything below the head. While it lives, the model's weights are views into its layers."""

    def __init__(self, model: Any, kernels: bool = True) -> None:
        self.model = llama_shape.causal_lm(model)
        self.shape = shape = llama_shape.shape_of(self.model)
        self.device: torch.device = self.model.lm_head.weight.device
        layers = self.model.model.layers
        self.layers = [DecoderLayer(layer, self.model.config, shape) for layer in layers]
        self._gradients = [pair for linear in self._linears() for pair in linear.gradients()]
        norms = [norm for layer in self.layers for norm in layer.norms]
        self._norms = [*norms, self.model.model.norm.weight.data]
        ranks = [half.rank for layer in self.layers for half in (layer.qkv, layer.gate_up)]
        self._pads = [*ranks, 0]
        """Pad columns for each half's input, and for the hidden states none."""
        self._ops = ops.for_device(self.device.type) if kernels else ops.PLAIN
        copies = [copy for linear in self._linears() for copy in linear.copies()]
        self.copy_adapters = self._ops.copy_adapters(copies)
        """Takes over the adapters' present values; their tensors must stay where they are."""
        self.copy_adapters()

    def __call__(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        attend: Attend,
        where: torch.Tensor | None = None,
        sharing: Sharing | None = None,
    ) -> torch.Tensor:
        """Return the normed hidden states at ``where``, [n, hidden]; None means everywhere.

        ids are [t], positions [t], or [T] where segments share tokens. After the last attention
        only the tokens in ``where`` are computed: nothing else depends on the others.
        """
        x = self.model.model.embed_tokens(ids)
        cos, sin = (part[0] for part in self.model.model.rotary_emb(x[None], positions[None]))
        cos, sin = self._ops.prepare_rope(cos, sin, self.shape.heads)
        if self.shape.embedding_scale != 1.0:
            x = x * self.shape.embedding_scale
        h = x if self.shape.norms_after else self._norm_stream(x, 0)
        for index, layer in enumerate(self.layers):
            q, k, v = self._heads(layer, h, cos, sin, sharing)
            kept = where if index == len(self.layers) - 1 else None
            attended = attend(index, q, k, v, kept).flatten(1)
            if kept is not None:
                x = x.index_select(0, kept)
            x, h = self._add(x, layer.out(attended), 2 * index)
            update = layer.down(self._ops.swiglu(layer.gate_up(h)))
            x, h = self._add(x, update, 2 * index + 1)
        return self._norm_stream(x, -1) if self.shape.norms_after else h

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits [n, vocabulary] of normed hidden states."""
        found: torch.Tensor = self.model.lm_head(hidden)
        return found if self.shape.logits_divisor == 1.0 else found / self.shape.logits_divisor

    def summed_loss(self, batch: PackedBatch) -> torch.Tensor:
        """Return the summed cross-entropy of a batch in float32."""
        attend = self.within(batch.cu_seqlens, batch.lengths, batch.max_seqlen, batch.sharing)
        hidden = self(batch.ids, batch.positions, attend, batch.where, batch.sharing)
        return self._ops.summed_loss(self.logits(hidden), batch.targets)

    def within(
        self,
        cu_seqlens: torch.Tensor,
        lengths: tuple[int, ...],
        longest: int,
        sharing: Sharing | None = None,
    ) -> Attend:
        """Return attention inside packed segments, as ``attention.packed_attention`` takes them.

        It returns the computed tokens, once each where segments share them.
        """

        picks = sharing.once() if sharing else None

        def attend(
            layer: int,
            q: torch.Tensor,
            k: torch.Tensor,
            v: torch.Tensor,
            where: torch.Tensor | None,
        ) -> torch.Tensor:
            scores = self.layers[layer].scores
            packed = cu_seqlens, lengths, longest
            return attention.packed_attention(q, k, v, *packed, where, scores, picks)

        return attend

    def _norm_stream(self, x: torch.Tensor, index: int) -> torch.Tensor:
        return self._ops.norm(x, self._norms[index], self.shape.stream_eps, self._pads[index])

    def _add(
        self, x: torch.Tensor, update: torch.Tensor, index: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the residual stream after half ``index``, and what the next half reads."""
        shape = self.shape
        if shape.norms_after:
            x = x + self._ops.norm(update, self._norms[index], shape.eps)
            return x, x
        after = index + 1
        return self._ops.add_norm(
            x, update, self._norms[after], shape.stream_eps, self._pads[after]
        )

    def _heads(
        self,
        layer: DecoderLayer,
        h: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        sharing: Sharing | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return q [t, heads, d], k and v [t, kv heads, d] with RoPE; [T, ...] where shared."""
        qkv, norms, shape = layer.qkv(h), layer.wide_norms, self.shape
        if norms is not None:
            sizes = [shape.heads * shape.width, *[shape.kv_heads * shape.width] * 2]
            q, k, v = qkv.split(sizes, dim=1)
            q, k = (self._ops.norm(a, w, norms.eps) for a, w in ((q, norms.q), (k, norms.k)))
            qkv = torch.cat((q, k, v), dim=1)
        head_norms = layer.head_norms
        return self._ops.apply_rope(qkv, cos, sin, shape.heads, shape.kv_heads, head_norms, sharing)

    def attach_gradients(self) -> None:
        """Let each trained weight's ``grad`` be the memory that the fused layers add to.

        A ``grad`` that was set to None counts as zero, as in autograd.
        """
        fresh = []
        for parameter, memory in self._gradients:
            if parameter.grad is None:
                fresh.append(memory)
            elif parameter.grad is not memory:
                memory.copy_(parameter.grad)
            parameter.grad = memory
        if fresh:
            torch._foreach_zero_(fresh)

    def release(self) -> None:
        """Give the model's weights their own memory again."""
        for linear in self._linears():
            linear.release()

    def _linears(self) -> Iterator[FusedLoraLinear]:
        for layer in self.layers:
            yield from layer.linears


@contextmanager
def fused(model: Any, kernels: bool = True) -> Iterator[Decoder]:
    """Build a decoder for as long as the block runs; costs one copy of the weights each way."""
    decoder = Decoder(model, kernels)
    try:
        yield decoder
    finally:
        decoder.release()
