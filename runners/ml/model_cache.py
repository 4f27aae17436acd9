"""Keeps one base loaded between jobs and knows which adapters are merged into it."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from transformers.modeling_utils import PreTrainedModel

from runners.ml import adapter as adapter_files
from runners.ml import base_model, fingerprint, lora_layers, lora_merge
from runners.ml.adapter import Adapter
from runners.ml.lora_layers import LoraLayers
from runners.ml.stage_settings import BaseSettings


class LoadedModel:
    """A base model that adapters can be merged into, and taken out of again, exactly."""

    def __init__(self, settings: BaseSettings) -> None:
        self.settings = settings
        self.model: PreTrainedModel
        self.model, self.chat = base_model.load(settings)
        self.tokenizer = self.chat.tokenizer
        self.device: torch.device = next(self.model.parameters()).device
        self.fingerprint = fingerprint.of_tensors(self.model.named_parameters())
        """Of the untouched base."""
        self._pristine: dict[str, torch.Tensor] = {}
        self._merged: tuple[str, ...] | None = ()
        self._peft: PeftModel | None = None

    @property
    def pad_id(self) -> int:
        """The token that pads rows."""
        config: Any = self.model.generation_config
        return int(config.pad_token_id)

    @property
    def merged(self) -> tuple[str, ...] | None:
        """Digests of the merged adapters, in order; None after a failure."""
        return self._merged

    @property
    def has_lora_layers(self) -> bool:
        """True while LoRA layers are attached."""
        return self._peft is not None

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Merge exactly these adapters, in this order, into the pristine base.

        What is already merged is reused only as a prefix of the same order, so the bits are those
        of a fresh start.
        """
        wanted = tuple(adapter.digest for adapter in adapters)
        merged = self._merged
        if merged is None or wanted[: len(merged)] != merged:
            self.restore()
            merged = ()
        for adapter in adapters[len(merged) :]:
            self.merge(adapter)

    def merge(self, adapter: Adapter, *, measured: bool = False) -> dict[str, lora_merge.Change]:
        """Merge one more adapter; with ``measured``, return how far each weight moved."""
        self.detach()
        adapter_files.refuse_other_base(adapter.lineage, self.fingerprint)
        adapter_files.check_fits(adapter, adapter_files.modules_of(self.model, adapter.lora))
        before_this, self._merged = self._merged, None
        found = {}
        for name, weight in self.weights(adapter.lora.target_modules):
            a, b = (part.to(self.device) for part in adapter.weights[name])
            if name not in self._pristine:
                self._pristine[name] = weight.clone()
            before = weight.clone() if measured else None
            lora_merge.merge(weight, a, b, adapter.lora.scaling)
            if before is not None:
                found[name] = lora_merge.measure(before, weight)
        self._merged = None if before_this is None else (*before_this, adapter.digest)
        return lora_merge.as_changes(found)

    def restore(self) -> None:
        """Copy the pristine weights back: exact, unlike unmerging by subtraction."""
        self.detach()
        for name, kept in self._pristine.items():
            self._weight(name).copy_(kept)
        self._merged = ()

    def weights(self, target_modules: Sequence[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (module name, weight data) of the modules that an adapter changes."""
        for name, module in self.model.named_modules():
            if isinstance(module, torch.nn.Linear) and name.rsplit(".", 1)[-1] in target_modules:
                yield name, module.weight.data

    def current_fingerprint(self) -> str:
        """Return the fingerprint of all weights as they are now."""
        self.detach()
        return fingerprint.of_tensors(self.model.named_parameters())

    def change_from_base(self, names: Iterable[str]) -> dict[str, lora_merge.Change]:
        """Measure how far merged weights are from the untouched base."""
        return lora_merge.as_changes(
            {name: lora_merge.measure(self._pristine[name], self._weight(name)) for name in names}
        )

    @contextmanager
    def attached(self, layers: LoraLayers) -> Iterator[PeftModel]:
        """Attach LoRA layers to the current weights for as long as the block runs."""
        self.detach()
        self._peft = lora_layers.attach(self.model, layers)
        try:
            yield self._peft
        finally:
            self.detach()

    def detach(self) -> None:
        """Take the LoRA layers off; the very same linear modules come back."""
        if self._peft is not None:
            self._peft.unload()
            self._peft = None
            self.model.eval().requires_grad_(False)

    def invalidate(self) -> None:
        """Call after a failure: the next ``set_adapters`` starts from the pristine base."""
        self.detach()
        self._merged = None

    def _weight(self, name: str) -> torch.Tensor:
        module: Any = self.model.get_submodule(name)
        weight: torch.Tensor = module.weight.data
        return weight


class ModelCache:
    """What a worker keeps between jobs; a one-job process starts with an empty one."""

    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self.engines: dict[str, Any] = {}
        """Sampling engines by kind; each has ``stop()``."""

    def model(self, settings: BaseSettings) -> LoadedModel:
        """Return the loaded base, loading it when it is not the one in memory."""
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if self._model is None or self._model.settings != settings:
            self.clear()
            self._model = LoadedModel(settings)
        self._model.detach()
        return self._model

    def after_failure(self) -> None:
        """Make sure that the next job starts from known weights and free memory."""
        self.stop_engines()
        if self._model is not None:
            try:
                self._model.invalidate()
            except Exception:
                self.clear()
        free_memory()

    def stop_engines(self) -> None:
        """End all sampling engines."""
        for engine in self.engines.values():
            engine.stop()
        self.engines.clear()

    def clear(self) -> None:
        """Drop the base and the engines that hold a copy of it."""
        self.stop_engines()
        self._model = None
        free_memory()


def free_memory() -> None:
    """Return unused memory to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
