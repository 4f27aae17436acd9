"""Have completions judged: python -m runners.judge SPEC

Every answer is written to judgements.jsonl as it comes, under the hash of all that was sent; what
an earlier attempt wrote is not asked again, unless it has no score. What a judge does not score is
missing, never 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from runners import score, stop_signal
from runners.job import Attempt, StageResult, log, main
from runners.ml import jsonl, stage_settings
from runners.ml.judge_answer import score_of
from runners.ml.stage_settings import required
from tuilab.contract import scoring
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError
from tuilab.contract.scoring import Threshold

JUDGEMENTS_FILE = "judgements.jsonl"
SCORES_FILE = "scores.jsonl.gz"
TRIES = 2
"""A malformed answer is asked for once more."""

Settings = Mapping[str, Any]
Take = Callable[[str, str | None, tuple[int, int], str], None]
"""Takes the answer to a request: its key, the text or None, tokens, and why there is no text."""
Ask = Callable[[Mapping[str, Settings], Take], None]


@dataclass
class Judgements:
    """What was answered, by the hash of what was sent; grows in a file line by line."""

    path: Path
    answers: dict[str, str] = field(default_factory=dict)
    earlier: set[str] = field(default_factory=set)
    """Of the answers those of earlier attempts."""
    tokens: list[int] = field(default_factory=lambda: [0, 0])
    """Of this attempt: what earlier ones had answered was paid for then."""

    def read_earlier(self) -> int:
        """Take in what earlier attempts of the job wrote; half a line is no answer."""
        paths = self.path.parent.parent.glob(f"attempt-*/{JUDGEMENTS_FILE}")
        for path in sorted(paths, key=lambda path: int(path.parent.name.rpartition("-")[2])):
            for line in path.read_bytes().splitlines():
                try:
                    row = json.loads(line)
                    self.answers[str(row["key"])] = str(row["text"])
                except (ValueError, KeyError, TypeError):
                    continue
        self.earlier = set(self.answers)
        return len(self.answers)

    def keep(self, key: str, text: str, tokens: tuple[int, int]) -> None:
        """Write an answer before anything else is done with it."""
        self.answers[key] = text
        self.earlier.discard(key)
        self.tokens = [a + b for a, b in zip(self.tokens, tokens, strict=True)]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "text": text, "tokens": list(tokens)}) + "\n")


def run(attempt: Attempt) -> StageResult:
    """Read the completions, judge what is not judged yet, count, write."""
    settings = attempt.settings
    panel = [persona.key for persona in stage_settings.personas(settings, "panel")]
    measures: list[Settings] = required(settings, "measures", list)
    rows = score.completions(attempt)
    kept = Judgements(attempt.directory / JUDGEMENTS_FILE)
    known = kept.read_earlier()
    kept.path.touch()
    log(f"{known} answers of earlier attempts are kept")
    metrics: dict[str, Any] = {"question_hits": {}}
    written: list[Settings] = []
    costs: list[float] = []
    for measure in measures:
        read = score.rows_of(rows, measure)
        before = tuple(kept.tokens)
        rule = _rule(measure)
        _judge(attempt, measure, read, kept)
        costs += cost_of(measure["judge"], before, kept.tokens)
        scored = [_scored(measure, rule, row, kept) for row in read]
        written += scored
        metrics |= _counted(measure, scored, panel, kept, read)
        hits = scoring.question_hits(scored, panel, measure["questions_count"])
        metrics["question_hits"][measure["key"]] = hits
    path = jsonl.write_rows(attempt.directory / SCORES_FILE, written)
    sent, received = kept.tokens
    checks: dict[str, Any] = {
        "completions": len(rows),
        "tokens_sent": sent,
        "tokens_received": received,
    }
    if costs:
        checks["cost"] = round(sum(costs), 6)
    log(f"{sent} tokens sent and {received} received" + f", cost {sum(costs):g}" * bool(costs))
    return StageResult((path, kept.path), metrics, checks)


def cost_of(judge: Settings, before: Sequence[int], after: Sequence[int]) -> list[float]:
    """Return what tokens cost at the judge's prices for a million; [] without both prices."""
    prices = [judge.get("price_in"), judge.get("price_out")]
    if any(price is None for price in prices):
        return []
    pairs = zip(prices, before, after, strict=True)
    return [sum(float(price or 0) * (now - then) / 1e6 for price, then, now in pairs)]


def body_of(measure: Settings, row: Settings) -> Settings:
    """What is sent for one completion."""
    judge = measure["judge"]
    said = f"Question:\n{measure['questions'][row['question_index']]}\n\nAnswer:\n{row['text']}"
    return {
        "model": judge["model"],
        "messages": [
            {"role": "system", "content": measure["rubric"]},
            {"role": "user", "content": said},
        ],
        "max_tokens": judge["max_tokens"],
        "temperature": 0.0,
    }


def key_of(measure: Settings, body: Settings, turn: int = 0) -> str:
    """Name a request by all that is sent and where; ``turn`` counts askings of the same."""
    whole = json.dumps([measure["judge"]["base_url"], body, turn], sort_keys=True)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def turns(measure: Settings, body: Settings) -> list[int]:
    """First turns of the judgements that a completion gets: one, or two for a fixed share."""
    share = int(key_of(measure, body)[:8], 16) / 2**32
    return [0, TRIES] if share < measure["twice"] else [0]


def _wanted(measure: Settings, body: Settings, kept: Judgements) -> Iterator[int]:
    """The turns to ask now: for each judgement the first turn that no answer is kept of.

    Whoever runs the job again asks for the scores that it lacks: there an earlier malformed answer
    counts for nothing.
    """
    for first in turns(measure, body):
        asked = {turn: key_of(measure, body, turn) for turn in range(first, first + TRIES)}
        texts = {turn: kept.answers.get(key) for turn, key in asked.items()}
        scores = (score_of(text, measure["scale"]) for text in texts.values() if text is not None)
        if any(score is not None for score in scores):
            continue
        open_ = (turn for turn in asked if texts[turn] is None or asked[turn] in kept.earlier)
        yield from islice(open_, 1)


def _judge(attempt: Attempt, measure: Settings, rows: Sequence[Settings], kept: Judgements) -> None:
    """Ask until every completion has a score or is malformed twice."""
    ask = _asker(attempt, measure)
    budget = int(measure["judge"]["max_failures"] * len(rows))
    report = attempt.progress(str(measure["name"]))
    for _ in range(TRIES):
        bodies = {
            key_of(measure, body, turn): body
            for row in rows
            for body in [body_of(measure, row)]
            for turn in _wanted(measure, body, kept)
        }
        ask(bodies, _taker(kept, budget, len(bodies), report))


def _taker(kept: Judgements, budget: int, count: int, report: Callable[[int, int], None]) -> Take:
    """Keep every answer; JobError at the first failure beyond the budget."""
    failed, done = 0, 0

    def take(key: str, text: str | None, tokens: tuple[int, int], why: str) -> None:
        nonlocal failed, done
        done += 1
        if text is not None:
            kept.keep(key, text, tokens)
            report(done, count)
            return
        failed += 1
        if failed > budget:
            raise JobError(
                Reason.TIMEOUT,
                f"the judge did not answer {failed} of {done} requests ({why}), more than "
                f"judge.max_failures allows; what it answered is kept: relaunch from judge",
            )

    return take


def _asker(attempt: Attempt, measure: Settings) -> Ask:
    judge = measure["judge"]
    if judge["base_url"] == "self":
        return lambda bodies, take: _ask_base(attempt, judge, bodies, take)
    from runners.ml import judge_client  # httpx, which a base that judges does not need

    def ask(bodies: Mapping[str, Settings], take: Take) -> None:
        def keep(key: str, reply: judge_client.Reply) -> None:
            take(key, reply.text, reply.tokens, reply.why)

        judge_client.ask_all(judge, bodies, keep, stop_signal.check)

    return ask


def _ask_base(
    attempt: Attempt, judge: Settings, bodies: Mapping[str, Settings], take: Take
) -> None:
    """Let the untouched base judge: greedily, in this worker, with no network."""
    if not bodies:
        return
    from runners.ml import samplers  # torch, which a judge elsewhere does not need

    model = attempt.cache.model(stage_settings.base(attempt.settings))
    model.set_adapters([])
    sampling = stage_settings.SamplingSettings(0.0, 1.0, 0, int(judge["max_tokens"]), 64, 0)
    prompts = [model.chat.ids(body["messages"]) for body in bodies.values()]
    sampler = samplers.for_model(attempt.cache, model, sampling)
    said = sampler.sample(prompts, sampling, attempt.progress("judge"))
    for key, prompt, one in zip(bodies, prompts, said, strict=True):
        take(key, one.text, (len(prompt), len(one.token_ids)), "")


def _rule(measure: Settings) -> Threshold:
    """Return what makes a hit; JobError before anything is paid."""
    if (rule := scoring.threshold(measure["hit"])) is None:
        raise JobError(Reason.CONFIG, f"{measure['hit']!r} is no threshold: write score < 30")
    return rule


def _scored(measure: Settings, rule: Threshold, row: Settings, kept: Judgements) -> dict[str, Any]:
    value = next(iter(_scores(measure, body_of(measure, row), kept)), None)
    hit = None if value is None else rule.is_hit(value)
    return {**score.place(row), "measure": measure["key"], "score": value, "hit": hit}


def _scores(measure: Settings, body: Settings, kept: Judgements) -> list[float]:
    """The scores of a completion: one, two where it was judged twice, none where none was read."""
    found = []
    for first in turns(measure, body):
        keys = (key_of(measure, body, turn) for turn in range(first, first + TRIES))
        texts = (kept.answers.get(key) for key in keys)
        read = (score_of(text, measure["scale"]) for text in texts if text is not None)
        found += [value for value in read if value is not None][:1]
    return found


def _counted(
    measure: Settings,
    scored: Sequence[Settings],
    panel: Sequence[str],
    kept: Judgements,
    rows: Sequence[Settings],
) -> dict[str, Any]:
    """Rates, mean scores, how many are not judged, and how far two judgements of one are apart."""
    key = measure["key"]
    means: dict[str, Any] = {}
    for who in panel:
        own = [one["score"] for one in scored if one["persona"] == who]
        known = [value for value in own if value is not None]
        means[who] = {"value": sum(known) / len(known) if known else None, "n": len(known)}
    pairs = [_scores(measure, body_of(measure, row), kept) for row in rows]
    apart = [abs(pair[0] - pair[1]) for pair in pairs if len(pair) == 2]
    return {
        key: scoring.rates(scored, panel),
        f"{key}.score": means,
        f"{key}.unjudged": {
            "hits": sum(one["score"] is None for one in scored),
            "n": len(scored),
        },
        f"{key}.twice": {"n": len(apart), "apart": sum(apart) / len(apart) if apart else None},
    }


if __name__ == "__main__":
    raise SystemExit(main("judge"))
