"""The warm model as a model of Inspect AI: what its samples ask at one moment is one batch."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from inspect_ai import eval as evaluate
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.log import EvalLog
from inspect_ai.model import (
    ChatMessage,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
    ModelUsage,
    modelapi,
)
from inspect_ai.scorer import value_to_float
from inspect_ai.tool import ToolChoice, ToolInfo

from runners.ml import samplers
from runners.ml.stage_settings import Persona, SamplingSettings
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runners.ml.completions import Completion
    from runners.ml.model_cache import LoadedModel, ModelCache

QUIET_SECONDS = 0.02
"""No further request for so long: what waits is the batch."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One task, asked of one persona."""

    measure: Mapping[str, Any]
    sampling: SamplingSettings
    task: str
    """A file, or a registered name."""
    persona: Persona


class Verdict(NamedTuple):
    """What the task's first scorer said of one sample."""

    sample: int
    """Place in the task's data set."""
    value: float | None
    """1 is full marks; None where it has none."""


class _Request(NamedTuple):
    ids: tuple[int, ...]
    sampling: SamplingSettings
    reply: asyncio.Future[Completion]


@modelapi(name="tuilab")
class WarmModel(ModelAPI):  # type: ignore[misc]  # Inspect is not where types are checked
    """Samples from the worker's model with a persona's prompt before every chat."""

    def __init__(self, cache: ModelCache, model: LoadedModel, asked: Asked) -> None:
        super().__init__(model_name=asked.persona.key)
        self._cache, self._model, self._asked = cache, model, asked
        self._waiting: list[_Request] = []
        self._watch: asyncio.Task[None] | None = None

    def max_connections(self) -> int:
        """Return how many samples may ask at once: a batch."""
        return self._asked.sampling.batch_size

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> tuple[ModelOutput, ModelCall]:
        """Wait for the batch that answers a chat. JobError for a task that needs tools.

        The log shows what was asked, the persona's prompt included.
        """
        if tools:
            said = f"{self._asked.measure['key']}: the task uses tools, which a cell's model cannot"
            raise JobError(Reason.CONFIG, said)
        chat, sampling = self._chat(input), self._sampling(config)
        ids = self._model.chat.ids(chat)
        reply: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(tuple(ids), sampling, reply))
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._answer())
        answer = await reply
        read, wrote = len(ids), len(answer.token_ids)
        made = ModelOutput.from_content(
            self.model_name,
            answer.text,
            stop_reason="max_tokens" if answer.finish_reason == "length" else "stop",
        )
        made.usage = ModelUsage(input_tokens=read, output_tokens=wrote, total_tokens=read + wrote)
        request = {"messages": chat, **asdict(sampling)}
        return made, ModelCall.create(request, {"content": answer.text})

    def _chat(self, chat: Sequence[ChatMessage]) -> list[dict[str, str]]:
        """Return what is asked; the task's own words as the system follow the persona's prompt."""
        own = [one.text for one in chat if one.role == "system"]
        system = "\n\n".join([self._asked.persona.prompt, *own])
        rest = [
            {"role": str(one.role), "content": one.text} for one in chat if one.role != "system"
        ]
        return [{"role": "system", "content": system}, *rest]

    def _sampling(self, config: GenerateConfig) -> SamplingSettings:
        """Return the measure's sampling under what the task itself asks for."""
        own = self._asked.sampling
        return replace(
            own,
            temperature=own.temperature if config.temperature is None else config.temperature,
            top_p=own.top_p if config.top_p is None else config.top_p,
            top_k=own.top_k if config.top_k is None else config.top_k,
            max_new_tokens=min(own.max_new_tokens, config.max_tokens or own.max_new_tokens),
        )

    async def _answer(self) -> None:
        """Answer all that waits once nothing more comes; the order of asking decides nothing."""
        while self._waiting:
            count = -1
            while count != len(self._waiting):
                count = len(self._waiting)
                await asyncio.sleep(QUIET_SECONDS)
            batch, self._waiting = sorted(self._waiting, key=lambda one: one.ids), []
            try:
                for sampling in dict.fromkeys(one.sampling for one in batch):
                    self._sample([one for one in batch if one.sampling == sampling], sampling)
            except BaseException as error:
                for one in batch:
                    if not one.reply.done():
                        one.reply.set_exception(error)
                return

    def _sample(self, batch: Sequence[_Request], sampling: SamplingSettings) -> None:
        sampler = samplers.for_model(self._cache, self._model, sampling)
        said = sampler.sample([one.ids for one in batch], sampling, lambda done, of: None)
        for one, completion in zip(batch, said, strict=True):
            one.reply.set_result(completion)


def ask(cache: ModelCache, model: LoadedModel, asked: Asked, path: Path) -> list[Verdict]:
    """Run a task and leave its log at ``path``; JobError where it ends in an error."""
    size = asked.sampling.batch_size
    # Logs are named by an address, in which the # of a cell's folder would begin a fragment.
    with TemporaryDirectory() as folder:
        try:
            [found] = evaluate(
                asked.task,
                model=Model(WarmModel(cache, model, asked), GenerateConfig(max_connections=size)),
                task_args=dict(asked.measure["args"]),
                limit=asked.measure["limit"],
                max_samples=size,
                log_dir=folder,
                log_format="eval",
                display="none",
                score=True,
            )
        except PrerequisiteError as error:  # no such task, no such argument
            raise JobError(Reason.CONFIG, f"{asked.task}: {error.message}") from error
        if found.status != "success":
            said = found.error.message if found.error else found.status
            raise JobError(Reason.CONFIG, f"{asked.task} as {asked.persona.key}: {said[:300]}")
        verdicts = sorted(_verdicts(found))  # read from the log, so while it is there
        [log] = Path(folder).glob("*.eval")
        shutil.copyfile(log, path)
    return verdicts


def _verdicts(found: EvalLog) -> Iterator[Verdict]:
    places = {one: place for place, one in enumerate(found.eval.dataset.sample_ids or [])}
    read = value_to_float()
    for sample in found.samples or []:
        score = next(iter((sample.scores or {}).values()), None)
        yield Verdict(places[sample.id], None if score is None else read(score.value))
