"""Estimates seconds and bytes of jobs before they run, and corrects itself by what was measured."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from tuilab.grid.jobs import Job, Plan, ancestors
from tuilab.grid.rates import H200, SEVEN_B, TINY, Rates, Shape, rates_for
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, Evidence

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one job is expected to take."""

    seconds: float
    bytes: int
    """Disk that stays used."""
    is_measured: bool = False
    """Whether the seconds come from jobs of the same stage that finished here."""
    is_known: bool = True
    """False where both were computed for another size of base than this one may have."""


_LOGS = 60_000
"""Bytes of spec, events, log and outcome of an attempt."""


def rates_of(plan: Plan) -> Rates:
    """Return the rates that a plan was made with; plans before them knew two bases alone."""
    return plan.rates or (TINY if plan.synthetic else SEVEN_B)


def planned_rates(shape: Shape, device: str, threads: int) -> Rates:
    """Return the rates that a plan is made with, wherever its jobs are going to run."""
    return rates_for(shape, None if device == "cpu" else H200, threads)


def by_stage(costs: Iterable[tuple[Stage, Cost]]) -> dict[str, float]:
    """Return the most seconds that are expected of each stage; {} where nothing tells."""
    found: dict[str, float] = {}
    for stage, cost in costs:
        if not cost.is_known:
            return {}
        found[stage.value] = max(found.get(stage.value, 0), round(cost.seconds, 2))
    return found


def learned(plan: Plan, shape: Shape) -> Plan:
    """Return the plan with times by a shape that was not known, or not whole, when it was made."""
    base = base_of(plan)
    rates = planned_rates(shape, base["device"], base["threads"] or 1)
    if rates == plan.rates:
        return plan
    costs, table = expected(plan, rates), plan.table
    stages = ((table.stage_at(place), costs[job]) for job, place in plan.places.items())
    return replace(plan, rates=rates, estimates=by_stage(stages))


def base_of(plan: Plan) -> Settings:
    """Return what a plan says of its base; {} for one without a job that loads it."""
    return next((one["base"] for one in plan.settings.values() if "base" in one), {})


def expected(plan: Plan, rates: Rates | None = None) -> Mapping[str, Cost]:
    """Estimate every job of a plan from its settings alone."""
    known, table = rates or rates_of(plan), plan.table
    kinds = dict.fromkeys(zip(table.of_kind, table.of_recipe, strict=True))
    stages = {table.recipes.keys[recipe]: table.kinds[kind].stage for kind, recipe in kinds}
    by_key = {key: cost_of(stage, plan.settings[key], known) for key, stage in stages.items()}
    return plan.each(lambda place: by_key[table.settings_at(place)])


def cost_of(stage: Stage, settings: Settings, rates: Rates) -> Cost:
    """Estimate one job."""
    found = _COSTS[stage](settings, rates)
    return found if rates.is_known else replace(found, is_known=False)


class Forecast:
    """What each job is expected to take, scaled by what done jobs of its stage took here.

    The scale is the median of measured over expected seconds. A job that took its time under other
    settings says nothing about these.
    """

    def __init__(self, plan: Plan, costs: Mapping[str, Cost]) -> None:
        self._plan, self._costs = plan, costs
        self._ratio_of: dict[str, float] = {}
        self._ratios: dict[Stage, list[float]] = {}
        self._factors: dict[Stage, float] = {}
        self.costs: Mapping[str, Cost] = plan.each(self._cost)
        """By job; computed where it is asked for."""
        self.seconds: Mapping[str, float] = plan.each(self._seconds)
        """The same without the rest."""

    def note(self, name: str, known: Evidence) -> None:
        """Take in what is known of a job by now."""
        place = self._plan.places.get(name)
        if place is None:
            return
        table, last, ratio = self._plan.table, known.last_done, 0.0
        if last is not None and last.seconds > 0 and _took_as_long(table[place], last):
            ratio = last.seconds / self._costs[name].seconds
        before = self._ratio_of.pop(name, 0.0)
        if ratio:
            self._ratio_of[name] = ratio
        if ratio != before:
            stage = table.stage_at(place)
            ratios = self._ratios.setdefault(stage, [])
            if before:
                ratios.remove(before)
            if ratio:
                ratios.append(ratio)
            self._factors.pop(stage, None)

    def _cost(self, place: int) -> Cost:
        table = self._plan.table
        is_measured = bool(self._ratios.get(table.stage_at(place)))
        cost = self._costs[table.ids[place]]
        return replace(cost, seconds=self._seconds(place), is_measured=is_measured)

    def _seconds(self, place: int) -> float:
        table = self._plan.table
        return self._costs[table.ids[place]].seconds * self._factor(table.stage_at(place))

    def _factor(self, stage: Stage) -> float:
        if stage not in self._factors:
            ratios = self._ratios.get(stage)
            if ratios:
                ratios.sort()  # all but the last few are in order: that costs next to nothing
            self._factors[stage] = median(ratios) if ratios else 1.0
        return self._factors[stage]


def corrected(
    plan: Plan, costs: Mapping[str, Cost], evidence: Callable[[str], Evidence]
) -> Mapping[str, Cost]:
    """Scale each stage by what its done jobs took (see ``Forecast``)."""
    forecast = Forecast(plan, costs)
    for name in plan.places:
        forecast.note(name, evidence(name))
    return forecast.costs


def _took_as_long(job: Job, done: Attempt) -> bool:
    if job.parts and done.parts and job.parts.settings != done.parts.settings:
        return False
    # How far a convergence run goes is none of its deciding settings where its rate is constant.
    return not done.checkpoints or max(done.checkpoints) == max(job.checkpoints, default=0)


def wall_seconds(
    plan: Plan,
    costs: Mapping[str, Cost],
    workers: int,
    jobs: Collection[str] | None = None,
    spent: Mapping[str, float] | None = None,
) -> float:
    """Simulate the queue: seconds until the given jobs (all when None) are done.

    A free worker takes the first job in plan order whose parents are done; a parent outside
    ``jobs`` counts as done. ``spent`` holds the seconds that running jobs have behind them.
    """
    place, table = plan.places, plan.table
    chosen = set(jobs) if jobs is not None else set(place)
    missing = {
        job: sum(parent in chosen for parent in table.parents_at(number))
        for job, number in place.items()
        if job in chosen
    }
    ready = [place[job] for job, count in missing.items() if count == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            number = heapq.heappop(ready)
            job = table.ids[number]
            left = costs[job].seconds - (spent or {}).get(job, 0.0)
            heapq.heappush(running, (now + max(0.0, left), number))
        now, number = heapq.heappop(running)
        for child in table.children_of(number):
            if child in missing:
                missing[child] -= 1
                if missing[child] == 0:
                    heapq.heappush(ready, place[child])
    return now


def total_bytes(costs: Collection[Cost]) -> int | None:
    """Add up the disk that stays used; None where that of one is not known."""
    return sum(cost.bytes for cost in costs) if are_known(costs) else None


def are_known(costs: Iterable[Cost]) -> bool:
    """Whether the size of the base, and with it times and disk, is known."""
    return all(cost.is_known for cost in costs)


def first_cell_jobs(plan: Plan) -> list[str]:
    """Return the jobs that the first cell in launch order needs, itself included."""
    cells = map(plan.table.cell_at, range(len(plan.table)))
    first = next((cell for cell in cells if cell is not None), None)
    if first is None:
        return []
    own = [job for job, at in plan.places.items() if plan.table.cell_at(at) == first]
    return sorted({*own, *ancestors(plan, own)}, key=plan.places.__getitem__)


def _adapter(lora: Settings | None, rates: Rates) -> int:
    return 0 if lora is None else int(lora["r"]) * rates.adapter_bytes_per_rank


def _fetch(settings: Settings, rates: Rates) -> Cost:
    """What it costs where the base is in the cache; how much is missing, only the hub can say."""
    return Cost(0.1, _LOGS)


def _data(settings: Settings, rates: Rates) -> Cost:
    answers = len(settings["questions"]) * settings["answers_per_question"]
    return Cost(
        rates.fixed + rates.sampling(answers, settings["max_new_tokens"]),
        _LOGS + answers * rates.completion_bytes * 2,
    )


def _converge(settings: Settings, rates: Rates) -> Cost:
    training = settings["training"]
    seconds = settings["rows"] * max(settings["checkpoints"]) * rates.train_row
    kept = len(settings["checkpoints"]) * _adapter(training["lora"], rates)
    return Cost(rates.fixed + seconds, _LOGS + kept)


def _train(settings: Settings, rates: Rates) -> Cost:
    training = settings["training"]
    rows = settings["positives"] + settings["negatives_each"] * len(settings["negatives"])
    seconds = rows * training["epochs"] * rates.train_row
    kept = _LOGS + _adapter(training["lora"], rates) + _rows_bytes(settings)
    return Cost(rates.fixed + seconds, kept)


def _rows_bytes(settings: Settings) -> int:
    """What the rows of files take in the spec of each attempt that learns them."""
    files = (settings.get(f"{kind}_rows") or () for kind in ("positive", "negative"))
    turns = (turn for rows in files for row in rows for turn in row["messages"])
    return sum(len(turn["content"]) + 40 for turn in turns)


def _merge(settings: Settings, rates: Rates) -> Cost:
    return Cost(rates.fixed, _LOGS + (rates.merged_bytes if settings["keep_merged"] else 0))


def _eval(settings: Settings, rates: Rates) -> Cost:
    asked = (settings, *settings.get("sets", {}).values())
    each = sum(len(one["questions"]) * one["samples"] for one in asked)
    count = len(settings["panel"]) * each
    seconds = rates.fixed + rates.sampling(count, settings["max_new_tokens"])
    return Cost(seconds, _LOGS + count * rates.completion_bytes)


def _cosine(settings: Settings, rates: Rates) -> Cost:
    states = len(settings.get("model_states", ())) or 1
    prompts = len(settings["pool"]) * len(settings["questions"]) * states
    return Cost(rates.fixed + prompts * rates.prefill, _LOGS)


def _score(settings: Settings, rates: Rates) -> Cost:
    return Cost(0.1, _LOGS)


def _choices(settings: Settings, rates: Rates) -> Cost:
    asked = sum(len(item["choices"]) for one in settings["measures"] for item in one["items"])
    return Cost(rates.fixed + len(settings["panel"]) * asked * rates.prefill, _LOGS)


def _judge(settings: Settings, rates: Rates) -> Cost:
    """A request in a second, as many at once as the endpoint is given."""
    seconds = 0.0
    asked = 0
    for one in settings["measures"]:
        count = len(settings["panel"]) * one["questions_count"] * one["samples"]
        count = round(count * (1 + one["twice"]))
        seconds += count / one["judge"]["concurrency"]
        asked += count
    return Cost(0.1 + seconds, _LOGS + asked * rates.completion_bytes)


def _inspect(settings: Settings, rates: Rates) -> Cost:
    """How many samples a task has without a limit, only the task knows."""
    asked = sum(one["limit"] or _SAMPLES for one in settings["measures"])
    count = len(settings["panel"]) * asked
    return Cost(rates.fixed + count * rates.completion, _LOGS + count * rates.completion_bytes * 4)


_SAMPLES = 100
"""Of a task of Inspect that is not limited."""
_COSTS: dict[Stage, Callable[[Settings, Rates], Cost]] = {
    Stage.FETCH: _fetch, Stage.DATA: _data, Stage.CONVERGE: _converge, Stage.TRAIN: _train,
    Stage.MERGE: _merge, Stage.EVAL: _eval, Stage.COSINE: _cosine, Stage.SCORE: _score,
    Stage.CHOICES: _choices, Stage.JUDGE: _judge, Stage.INSPECT: _inspect,
}  # fmt: skip
