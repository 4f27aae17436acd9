"""Completes many prompts at once: one pass per token over all rows that are still running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from runners.fast import attention
from runners.fast.cuda_graphs import GraphedCall
from runners.fast.decoder import Decoder
from runners.fast.packing import positions_of
from runners.fast.sampling import TokenSampler

_PREFILL_TOKENS = 32_768
"""Prompt tokens per pass; bounds the activations at some 10 GB for a 7B model."""
_CACHE_STEP = 128
"""The cache grows in steps of this many tokens."""


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """When a completion ends, and how the batch shrinks."""

    stop_tokens: frozenset[int]
    """Tokens that end a completion; the token is kept at its end."""
    max_new_tokens: int
    lengths: tuple[int, ...] = ()
    """One limit per prompt instead of ``max_new_tokens``: lengths forced by a benchmark."""
    check_every: int = 8
    """Tokens between two checks of which rows have ended; a check waits for the device."""
    shrink_below: float = 0.9
    """Ended rows are dropped when less than this share is running; 0 keeps them all."""


@torch.no_grad()
def generate(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    options: GenerateOptions,
    sampler: TokenSampler,
    after_check: Callable[[int, int], None] = lambda running, new_tokens: None,
) -> list[list[int]]:
    """Return the new tokens of each prompt, the stop token included where one came.

    ``after_check`` gets the number of rows still running and of their new tokens. Random numbers
    come from the device's generator: seed it first. Texts depend on what shares the batch.
    """
    state = _Generation(decoder, prompts, options)
    logits = state.prefill()
    for step in range(state.longest):
        state.record(step, sampler.draw(logits))
        if (step + 1) % options.check_every == 0:
            running = state.check(step + 1)
            after_check(running, step + 1)
            if not running:
                break
        if step + 1 < state.longest:
            logits = state.advance()
    return state.completions()


class _KVCache:
    """Keys and values of running completions; grows with their length, shrinks with their number.

    For each layer two tensors [rows, slots, kv heads, d]; each row is filled from slot 0.
    """

    def __init__(
        self, layers: int, rows: int, slots: int, heads: int, width: int, like: torch.Tensor
    ) -> None:
        shape = (rows, _rounded(slots), heads, width)
        self.used = torch.zeros(rows, dtype=torch.int32, device=like.device)
        """[rows]: filled slots of each row."""
        self._keys = [like.new_zeros(shape) for _ in range(layers)]
        self._values = [like.new_zeros(shape) for _ in range(layers)]

    @property
    def slots(self) -> int:
        """Tokens that fit into a row."""
        return self._keys[0].shape[1]

    def begin(self, used: torch.Tensor) -> None:
        """Set how many tokens ``fill`` has put into each row."""
        self.used.copy_(used)

    def fill(
        self, layer: int, rows: torch.Tensor, slots: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> None:
        """Put token i of k and v [t, heads, d] at ``(rows[i], slots[i])``."""
        self._keys[layer][rows, slots] = k
        self._values[layer][rows, slots] = v

    def advance(self) -> None:
        """Move each row on by one token; in place, so that a captured step does it too."""
        self.used += 1

    def of(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the keys and values of a layer."""
        return self._keys[layer], self._values[layer]

    def keep(self, rows: torch.Tensor, slots: int) -> None:
        """Keep these rows, in this order, with at least ``slots`` slots each."""
        self.used = self.used[rows]
        for tensors in (self._keys, self._values):
            for layer, old in enumerate(tensors):
                tensors[layer] = _resized(old, rows, _rounded(slots))


class _Generation:
    """The state of one batch on the device; row r of the batch is prompt ``origin[r]``."""

    def __init__(
        self, decoder: Decoder, prompts: Sequence[Sequence[int]], options: GenerateOptions
    ) -> None:
        self._decoder, self._prompts, self._options = decoder, prompts, options
        limits = list(options.lengths) or [options.max_new_tokens] * len(prompts)
        self.longest = max(limits)
        device = self._device = decoder.device
        self._limits = torch.tensor(limits, device=device)
        self._stops = torch.tensor(sorted(options.stop_tokens), dtype=torch.int64, device=device)
        self._origin = torch.arange(len(prompts), device=device)
        self._tokens = torch.zeros(len(prompts), self.longest, dtype=torch.int64, device=device)
        self._ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
        self._lengths = self._limits.clone()
        self._newest = torch.zeros_like(self._origin)
        self._step = GraphedCall(device)
        self._longest_prompt = max(len(prompt) for prompt in prompts)
        self._cache = _KVCache(
            len(decoder.layers),
            len(prompts),
            self._longest_prompt + options.check_every,
            decoder.shape.kv_heads,
            decoder.shape.width,
            decoder.model.lm_head.weight,
        )

    def prefill(self) -> torch.Tensor:
        """Run every distinct prompt once; return the logits after each row's prompt."""
        distinct = list(dict.fromkeys(tuple(prompt) for prompt in self._prompts))
        rows_of: dict[tuple[int, ...], list[int]] = {prompt: [] for prompt in distinct}
        for row, prompt in enumerate(self._prompts):
            rows_of[tuple(prompt)].append(row)
        last = torch.cat([self._prefill(part, rows_of) for part in _prefill_parts(distinct)])
        self._cache.begin(torch.tensor([len(prompt) for prompt in self._prompts]))
        number = {prompt: index for index, prompt in enumerate(distinct)}
        pick = torch.tensor([number[tuple(prompt)] for prompt in self._prompts])
        return self._decoder.logits(last).index_select(0, pick.to(self._device))

    def record(self, step: int, token: torch.Tensor) -> None:
        """Store the drawn tokens, [rows], and mark the rows that they end."""
        self._tokens[self._origin, step] = token
        ends = torch.isin(token, self._stops) | (self._limits[self._origin] <= step + 1)
        just_ended = ends & ~self._ended
        lengths = self._lengths[self._origin]
        self._lengths[self._origin] = torch.where(just_ended, step + 1, lengths)
        self._ended |= ends
        self._newest.copy_(token)

    def check(self, new_tokens: int) -> int:
        """Return how many rows are running; drop ended rows and make room for the next tokens."""
        running = int((~self._ended).sum())
        rows = len(self._origin)
        ceiling = self._longest_prompt + self.longest
        slots = min(self._longest_prompt + new_tokens + self._options.check_every, ceiling)
        shrinks = 0 < running < self._options.shrink_below * rows
        if shrinks or (running and slots > self._cache.slots):
            kept = (
                (~self._ended).nonzero()[:, 0]
                if shrinks
                else torch.arange(rows, device=self._device)
            )
            self._cache.keep(kept, slots)
            self._origin, self._ended, self._newest = (
                part[kept] for part in (self._origin, self._ended, self._newest)
            )
            self._step.reset()
        return running

    def advance(self) -> torch.Tensor:
        """Feed the drawn tokens and return the logits after them."""
        return self._step(self._advance)

    def _advance(self) -> torch.Tensor:
        def attend(
            layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor | None
        ) -> torch.Tensor:
            scores = self._decoder.layers[layer].scores
            return attention.cached_attention(
                q, k, v, *self._cache.of(layer), self._cache.used, scores
            )

        self._cache.advance()
        hidden = self._decoder(self._newest, self._cache.used.long() - 1, attend)
        return self._decoder.logits(hidden)

    def completions(self) -> list[list[int]]:
        """Return the new tokens of each prompt."""
        tokens, lengths = self._tokens.tolist(), self._lengths.tolist()
        return [line[:length] for line, length in zip(tokens, lengths, strict=True)]

    def _prefill(
        self, prompts: Sequence[tuple[int, ...]], rows_of: dict[tuple[int, ...], list[int]]
    ) -> torch.Tensor:
        """Run prompts packed, cache their keys for all their rows; return [prompts, hidden]."""
        lengths = tuple(len(prompt) for prompt in prompts)
        starts = torch.tensor([0, *lengths]).cumsum(0)
        token, row, slot = _cache_targets(prompts, rows_of, starts.tolist())
        token, row, slot = (part.to(self._device) for part in (token, row, slot))
        cu_seqlens = starts.to(self._device, torch.int32)
        within = self._decoder.within(cu_seqlens, lengths, max(lengths))

        def attend(
            layer: int,
            q: torch.Tensor,
            k: torch.Tensor,
            v: torch.Tensor,
            where: torch.Tensor | None,
        ) -> torch.Tensor:
            self._cache.fill(layer, row, slot, k[token], v[token])
            return within(layer, q, k, v, where)

        ids = torch.tensor([token for prompt in prompts for token in prompt], device=self._device)
        positions = positions_of(lengths).to(self._device)
        return self._decoder(ids, positions, attend, cu_seqlens[1:].long() - 1)


def _cache_targets(
    prompts: Sequence[tuple[int, ...]],
    rows_of: dict[tuple[int, ...], list[int]],
    starts: Sequence[int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for every token of every row which packed token it is, and its row and slot."""
    token, row, slot = [], [], []
    for prompt, start in zip(prompts, starts, strict=False):
        for index in rows_of[prompt]:
            token.append(torch.arange(start, start + len(prompt)))
            row.append(torch.full((len(prompt),), index))
            slot.append(torch.arange(len(prompt)))
    return torch.cat(token), torch.cat(row), torch.cat(slot)


def _prefill_parts(prompts: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Split the prompts into passes of a bounded number of tokens."""
    found: list[list[tuple[int, ...]]] = [[]]
    tokens = 0
    for prompt in prompts:
        if found[-1] and tokens + len(prompt) > _PREFILL_TOKENS:
            found.append([])
            tokens = 0
        found[-1].append(prompt)
        tokens += len(prompt)
    return found


def _resized(old: torch.Tensor, rows: torch.Tensor, slots: int) -> torch.Tensor:
    shared = min(slots, old.shape[1])
    new = old.new_zeros((len(rows), slots, *old.shape[2:]))
    torch.index_select(old[:, :shared], 0, rows, out=new[:, :shared])
    return new


def _rounded(slots: int) -> int:
    return -(-slots // _CACHE_STEP) * _CACHE_STEP
