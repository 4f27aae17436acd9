"""Keeps one base loaded between jobs and knows which adapters are folded into it right now."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from transformers.modeling_utils import PreTrainedModel

from runners.ml import adapter as adapters_on_disk
from runners.ml import base_model, fingerprint, lineage, lora_layers, lora_merge
from runners.ml.adapter import Adapter
from runners.ml.stage_settings import BasePlan


class WarmModel:
    """A base model whose weights can be brought into any merged state, and back, exactly."""

    def __init__(self, plan: BasePlan) -> None:
        self.plan = plan
        self.model: PreTrainedModel
        self.model, self.tokenizer = base_model.load(plan)
        self.device = next(self.model.parameters()).device
        self.fingerprint = fingerprint.of_tensors(self.model.named_parameters())
        """Of the untouched base."""
        self._pristine: dict[str, torch.Tensor] = {}
        self._folded: tuple[str, ...] | None = ()
        self._live: PeftModel | None = None

    @property
    def pad_id(self) -> int:
        """The token that fills rows up."""
        config: Any = self.model.generation_config
        return int(config.pad_token_id)

    @property
    def folded(self) -> tuple[str, ...] | None:
        """Digests of the adapters folded in, in order; None after a failure."""
        return self._folded

    @property
    def is_live(self) -> bool:
        """True while LoRA layers are attached."""
        return self._live is not None

    def bring(self, adapters: Sequence[Adapter]) -> None:
        """Fold exactly these adapters, in this order, into the pristine base.

        What is already folded is reused only as a prefix of the same order, so the bits are those
        of a fresh start.
        """
        wanted = tuple(adapter.digest for adapter in adapters)
        folded = self._folded
        if folded is None or wanted[: len(folded)] != folded:
            self.restore()
            folded = ()
        for adapter in adapters[len(folded) :]:
            self.fold(adapter)

    def fold(self, adapter: Adapter, *, measured: bool = False) -> dict[str, lora_merge.Change]:
        """Fold one more adapter; with ``measured``, return how far each weight moved."""
        self.detach()
        lineage.refuse_other_base(adapter.lineage, self.fingerprint)
        adapters_on_disk.check_fits(adapter, self.model)
        below, self._folded = self._folded, None
        found = {}
        for name, weight in self.weights(adapter.plan.target_modules):
            a, b = (part.to(self.device) for part in adapter.weights[name])
            if name not in self._pristine:
                self._pristine[name] = weight.clone()
            before = weight.clone() if measured else None
            lora_merge.fold(weight, a, b, adapter.plan.scaling)
            if before is not None:
                found[name] = lora_merge.measure(before, weight)
        self._folded = None if below is None else (*below, adapter.digest)
        return lora_merge.as_changes(found)

    def restore(self) -> None:
        """Copy the pristine weights back: exact, unlike unmerging by subtraction."""
        self.detach()
        for name, kept in self._pristine.items():
            self._weight(name).copy_(kept)
        self._folded = ()

    def weights(self, target_modules: Sequence[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (module name, weight data) of the modules an adapter touches."""
        for name, module in self.model.named_modules():
            if isinstance(module, torch.nn.Linear) and name.rsplit(".", 1)[-1] in target_modules:
                yield name, module.weight.data

    def merged_fingerprint(self) -> str:
        """Sum up all weights as they are now."""
        self.detach()
        return fingerprint.of_tensors(self.model.named_parameters())

    def change_from_base(self, names: Iterable[str]) -> dict[str, lora_merge.Change]:
        """Measure how far folded weights are from the untouched base."""
        return lora_merge.as_changes(
            {name: lora_merge.measure(self._pristine[name], self._weight(name)) for name in names}
        )

    @contextmanager
    def attached(self, live: lora_layers.Live) -> Iterator[PeftModel]:
        """Put live LoRA layers on the current weights for as long as the block runs."""
        self.detach()
        self._live = lora_layers.put_on(self.model, live)
        try:
            yield self._live
        finally:
            self.detach()

    def detach(self) -> None:
        """Take live LoRA layers off; the very same linear modules come back."""
        if self._live is not None:
            self._live.unload()
            self._live = None
            self.model.eval().requires_grad_(False)

    def distrust(self) -> None:
        """After a failure: whatever is in place is not relied on."""
        self.detach()
        self._folded = None

    def _weight(self, name: str) -> torch.Tensor:
        module: Any = self.model.get_submodule(name)
        weight: torch.Tensor = module.weight.data
        return weight


class Warm:
    """What a worker keeps between jobs; a one-job process starts with an empty one."""

    def __init__(self) -> None:
        self._model: WarmModel | None = None
        self.engines: dict[str, Any] = {}
        """Sampling engines by kind; each has ``stop()``."""

    def model(self, plan: BasePlan) -> WarmModel:
        """Return the loaded base, loading it when it is not the one in memory."""
        if plan.threads:
            torch.set_num_threads(plan.threads)
        if self._model is None or self._model.plan != plan:
            self.forget()
            self._model = WarmModel(plan)
        self._model.detach()
        return self._model

    def after_failure(self) -> None:
        """Make sure that the next job starts from known weights and free memory."""
        self.stop_engines()
        if self._model is not None:
            try:
                self._model.distrust()
            except Exception:
                self.forget()
        free_memory()

    def stop_engines(self) -> None:
        """End all sampling engines."""
        for engine in self.engines.values():
            engine.stop()
        self.engines.clear()

    def forget(self) -> None:
        """Drop the base and the engines that hold a copy of it."""
        self.stop_engines()
        self._model = None
        free_memory()


def free_memory() -> None:
    """Give unused memory back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
