"""Counts what a judge will be sent before it is asked: requests, tokens and, with prices, money."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.text import number

CHARACTERS = 4
"""Of English text in a token, roughly, whatever the judge's tokenizer."""
_AROUND = 20
"""Tokens of the chat template and of the words before question and answer."""


@dataclass(frozen=True, slots=True)
class JudgeCost:
    """What the open judging of one measure takes, if every completion is as long as it may be."""

    name: str
    is_self: bool
    """Whether the base judges: then tokens cost time and no money."""
    requests: int
    sent: int
    received: int
    money: float | None
    """None without both prices."""

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        who = "the base itself" if self.is_self else f"{self.requests} requests"
        said = (
            f"judge {self.name}: {who}, up to about {_count(self.sent)} tokens sent and "
            f"{_count(self.received)} received"
        )
        if self.money is not None:
            said += f", at most about {number(self.money, 2)} at the prices given"
        elif not self.is_self:
            said += "; judge.price_in and price_out would tell the cost"
        return said


def judge_costs(plan: Plan, jobs: Collection[str], longest: int) -> tuple[JudgeCost, ...]:
    """Add up the judging among some jobs, by measure; () where none is.

    ``longest`` is how many tokens a completion may have. Answers that are kept already and second
    askings of malformed ones are not known here.
    """
    chosen, found = set(jobs), dict[str, JudgeCost]()
    by_settings: dict[str, int] = {}
    for job, place in plan.places.items():
        if plan.table.stage_at(place) is Stage.JUDGE and job in chosen:
            key = plan.table.settings_at(place)
            by_settings[key] = by_settings.get(key, 0) + 1
    for key, cells in by_settings.items():
        for one in _of_cell(plan.settings[key], longest):
            before = found.get(one.name)
            found[one.name] = _times(one, cells, before)
    return tuple(found.values())


def _of_cell(settings: Mapping[str, Any], longest: int) -> Iterator[JudgeCost]:
    for one in settings["measures"]:
        judge = one["judge"]
        times = len(settings["panel"]) * one["samples"] * (1 + one["twice"])
        asked = [len(text) / CHARACTERS for text in one["questions"]]
        each = len(one["rubric"]) / CHARACTERS + longest + _AROUND
        sent = round(times * (sum(asked) + each * len(asked)))
        received = round(times * len(asked) * judge["max_tokens"])
        prices = judge.get("price_in"), judge.get("price_out")
        money = None
        if prices[0] is not None and prices[1] is not None:
            money = (sent * prices[0] + received * prices[1]) / 1e6
        is_self = judge["base_url"] == "self"
        yield JudgeCost(one["name"], is_self, round(times * len(asked)), sent, received, money)


def _times(one: JudgeCost, cells: int, before: JudgeCost | None) -> JudgeCost:
    money = None if one.money is None else one.money * cells
    if before is not None and before.money is not None and money is not None:
        money += before.money
    return JudgeCost(
        one.name,
        one.is_self,
        one.requests * cells + (before.requests if before else 0),
        one.sent * cells + (before.sent if before else 0),
        one.received * cells + (before.received if before else 0),
        money,
    )


def _count(tokens: int) -> str:
    if tokens >= 1_000_000:
        return f"{number(tokens / 1e6, 1)} M"
    return f"{number(tokens / 1e3, 1)} k" if tokens >= 1000 else str(tokens)
