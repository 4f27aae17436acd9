"""What runs inside vLLM's worker process: loads pushed weights, and reseeds; imports no vllm."""

from __future__ import annotations

import pickle
from typing import Any

import numpy
import torch


class WorkerExtension:
    """Mixed into vLLM's worker (``worker_extension_cls``); methods are called by name."""

    model_runner: Any
    """vLLM's own; reloads whole layers under their checkpoint names into the kernels' layout."""

    def push_weights(self, handles: bytes) -> int:
        """Load the weights that the trainer shares; return how many there were.

        ``handles`` come from our own parent process over vLLM's local pipe.
        """
        shared = pickle.loads(handles)
        weights = [(name, rebuild(*arguments)) for name, (rebuild, arguments) in shared]
        self.model_runner.reload_weights(weights_iterator=iter(weights))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return len(weights)

    def reseed(self, seed: int) -> None:
        """Restart the sampler's random numbers: a job must not depend on earlier ones.

        Tokens are drawn with torch's generator, or, by vLLM's newer model runner, with a seed that
        each request draws from numpy's.
        """
        torch.manual_seed(seed)
        numpy.random.seed(seed % 2**32)
