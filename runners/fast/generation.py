"""Completes many prompts at once: one pass per token over all rows that still run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from runners.fast import attention
from runners.fast.cuda_graphs import Recorded
from runners.fast.decoder import Trunk
from runners.fast.kv_cache import KVCache
from runners.fast.packing import positions_of
from runners.fast.sampling import Choice

_PREFILL_TOKENS = 32_768
"""Prompt tokens per pass; bounds the activations at some 10 GB for a 7B model."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a completion ends, and how the batch follows."""

    stops: frozenset[int]
    """Tokens that end a completion; the token is kept at its end."""
    limit: int
    """New tokens at most."""
    limits: tuple[int, ...] = ()
    """Instead of ``limit``, one per prompt: lengths forced by a measurement."""
    look_every: int = 8
    """Tokens between two looks at which rows have ended; a look waits for the device."""
    shrink_below: float = 0.9
    """Ended rows are dropped when a smaller share than this still runs; 0 keeps them all."""


@torch.no_grad()
def complete(
    trunk: Trunk,
    prompts: Sequence[Sequence[int]],
    rules: Rules,
    choice: Choice,
    after_look: Callable[[int], None] = lambda running: None,
) -> list[list[int]]:
    """Return the new tokens of each prompt, the stop token included where one came.

    Random numbers come from the device's generator: seed it before. The texts depend on the seed
    and on which prompts share the batch, as everywhere.
    """
    run = _Run(trunk, prompts, rules)
    logits = run.prefill()
    for step in range(run.longest):
        run.take(step, choice.draw(logits))
        if (step + 1) % rules.look_every == 0:
            running = run.look(step + 1)
            after_look(running)
            if not running:
                break
        if step + 1 < run.longest:
            logits = run.advance()
    return run.texts()


class _Run:
    """The state of one batch on the device; row r of the batch is prompt ``origin[r]``."""

    def __init__(self, trunk: Trunk, prompts: Sequence[Sequence[int]], rules: Rules) -> None:
        self._trunk, self._prompts, self._rules = trunk, prompts, rules
        limits = list(rules.limits) or [rules.limit] * len(prompts)
        self.longest = max(limits)
        self._device = trunk.device
        self._limits = torch.tensor(limits, device=self._device)
        self._stops = torch.tensor(sorted(rules.stops), dtype=torch.int64, device=self._device)
        self._origin = torch.arange(len(prompts), device=self._device)
        self._made = torch.zeros(len(prompts), self.longest, dtype=torch.int64, device=self._device)
        self._ended = torch.zeros(len(prompts), dtype=torch.bool, device=self._device)
        self._lengths = self._limits.clone()
        self._token = torch.zeros_like(self._origin)
        self._step = Recorded(self._device)
        config = trunk.model.config
        self._longest_prompt = max(len(prompt) for prompt in prompts)
        self._cache = KVCache(
            config.num_hidden_layers,
            len(prompts),
            self._longest_prompt + rules.look_every,
            trunk.kv_heads,
            config.hidden_size // trunk.heads,
            trunk.model.lm_head.weight,
        )

    def prefill(self) -> torch.Tensor:
        """Run every different prompt once and return the logits after each row's prompt."""
        different = list(dict.fromkeys(tuple(prompt) for prompt in self._prompts))
        rows_of: dict[tuple[int, ...], list[int]] = {prompt: [] for prompt in different}
        for row, prompt in enumerate(self._prompts):
            rows_of[tuple(prompt)].append(row)
        last = torch.cat([self._prefill(part, rows_of) for part in _parts(different)])
        self._cache.begin(torch.tensor([len(prompt) for prompt in self._prompts]))
        number = {prompt: index for index, prompt in enumerate(different)}
        pick = torch.tensor([number[tuple(prompt)] for prompt in self._prompts])
        return self._head(last).index_select(0, pick.to(self._device))

    def take(self, step: int, token: torch.Tensor) -> None:
        """Write the drawn tokens down and note which rows they end."""
        self._made[self._origin, step] = token
        ends = torch.isin(token, self._stops) | (self._limits[self._origin] <= step + 1)
        news = ends & ~self._ended
        self._lengths[self._origin] = torch.where(news, step + 1, self._lengths[self._origin])
        self._ended |= ends
        self._token.copy_(token)

    def look(self, made: int) -> int:
        """Return how many rows still run; drop ended rows and make room for the next tokens."""
        running = int((~self._ended).sum())
        rows = len(self._origin)
        room = min(self._longest_prompt + made + self._rules.look_every, self._ceiling)
        shrink = 0 < running < self._rules.shrink_below * rows
        if shrink or (running and room > self._cache.slots):
            kept = (
                (~self._ended).nonzero()[:, 0]
                if shrink
                else torch.arange(rows, device=self._device)
            )
            self._cache.keep(kept, room)
            self._origin, self._ended, self._token = (
                part[kept] for part in (self._origin, self._ended, self._token)
            )
            self._step.forget()
        return running

    @property
    def _ceiling(self) -> int:
        return self._longest_prompt + self.longest

    def advance(self) -> torch.Tensor:
        """Feed the drawn tokens and return the logits after them."""
        return self._step(self._advance)

    def _advance(self) -> torch.Tensor:
        def attend(
            layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor | None
        ) -> torch.Tensor:
            keys, values = self._cache.append(layer, k, v)
            return attention.over_cache(q, keys, values, self._cache.used)

        self._cache.advance()
        hidden = self._trunk(self._token, self._cache.last, attend)
        return self._head(hidden)

    def texts(self) -> list[list[int]]:
        """Return what each prompt got."""
        made, lengths = self._made.tolist(), self._lengths.tolist()
        return [line[:length] for line, length in zip(made, lengths, strict=True)]

    def _head(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._trunk.model.lm_head(hidden).float()
        return logits

    def _prefill(
        self, prompts: Sequence[tuple[int, ...]], rows_of: dict[tuple[int, ...], list[int]]
    ) -> torch.Tensor:
        """Run prompts packed, hand each one's keys to all of its rows; return [prompts, hidden]."""
        lengths = tuple(len(prompt) for prompt in prompts)
        bounds = torch.tensor([0, *lengths]).cumsum(0)
        token, row, slot = _copies(prompts, rows_of, bounds.tolist())
        token, row, slot = (part.to(self._device) for part in (token, row, slot))
        on_device = bounds.to(self._device, torch.int32)

        def attend(
            layer: int,
            q: torch.Tensor,
            k: torch.Tensor,
            v: torch.Tensor,
            where: torch.Tensor | None,
        ) -> torch.Tensor:
            self._cache.fill(layer, row, slot, k[token], v[token])
            return attention.within_segments(q, k, v, on_device, lengths, max(lengths), where)

        ids = torch.tensor([token for prompt in prompts for token in prompt], device=self._device)
        positions = positions_of(lengths).to(self._device)
        return self._trunk(ids, positions, attend, on_device[1:].long() - 1)


def _copies(
    prompts: Sequence[tuple[int, ...]],
    rows_of: dict[tuple[int, ...], list[int]],
    starts: Sequence[int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Say for every token of every row which packed token it is, and its row and slot."""
    token, row, slot = [], [], []
    for prompt, start in zip(prompts, starts, strict=False):
        for index in rows_of[prompt]:
            token.append(torch.arange(start, start + len(prompt)))
            row.append(torch.full((len(prompt),), index))
            slot.append(torch.arange(len(prompt)))
    return torch.cat(token), torch.cat(row), torch.cat(slot)


def _parts(prompts: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Cut the prompts into passes of a bounded number of tokens."""
    found: list[list[tuple[int, ...]]] = [[]]
    tokens = 0
    for prompt in prompts:
        if found[-1] and tokens + len(prompt) > _PREFILL_TOKENS:
            found.append([])
            tokens = 0
        found[-1].append(prompt)
        tokens += len(prompt)
    return found
