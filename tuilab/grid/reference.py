"""Says where a plan is not the published experiment: its settings, the card's, its code's; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage

Settings = Mapping[str, Any]
UNKNOWN = "not known"
TITLES = ("what", "here", "the card", "its authors' code", "does it matter")
NO_CUTS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the table."""

    what: str
    here: str
    """Several values, where variants of the grid have several."""
    card: str
    code: str
    matters: str

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """What stands under ``TITLES``."""
        return self.what, self.here, self.card, self.code, self.matters


@dataclass(frozen=True, slots=True)
class _Setting:
    what: str
    stage: Stage
    read: Callable[[Settings], str]
    card: str
    code: str
    """"" where it agrees with the card."""
    matters: str


def differences(plan: Plan, cut: Mapping[str, int] = NO_CUTS) -> tuple[Difference, ...]:
    """Return where a plan is not as card and code say, or where these do not say.

    () for an experiment without the published one as its reference. ``cut`` counts by data job the
    answers that were cut at the limit, where they are sampled.
    """
    if plan.reference != "eps109":
        return ()
    return tuple(_found(plan, cut))


def as_lines(found: Iterable[Difference]) -> Iterator[str]:
    """Write them for a terminal; nothing where there are none."""
    for place, one in enumerate(found):
        if not place:
            yield "not as the published experiment, or not known to be"
        yield f"     {one.what}: {one.here}"
        matters = one.matters[0].upper() + one.matters[1:]
        yield f"       the card: {one.card}; its code: {one.code}. Does it matter? {matters}."


def _found(plan: Plan, cut: Mapping[str, int]) -> Iterator[Difference]:
    of = {stage: _settings(plan, stage) for stage in Stage}
    for one in _TABLE:
        said = dict.fromkeys(one.read(settings) for settings in of[one.stage])
        values = [value for value in said if value]
        is_as_told = values == [one.card] and one.code in ("", one.card)
        if values and not is_as_told:
            here = "; ".join(values)
            if one.what == _CUT and cut:
                here += f" ({sum(cut.values())} of the answers here)"
            yield Difference(one.what, here, one.card, one.code or "as the card", one.matters)


def _settings(plan: Plan, stage: Stage) -> Iterable[Settings]:
    keys = dict.fromkeys(job.settings for job in plan.jobs if job.stage is stage)
    return [plan.settings.get(key, {}) for key in keys]


def _get(settings: Settings, *path: str) -> Any:
    found: Any = settings
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _of(*path: str) -> Callable[[Settings], str]:
    def read(settings: Settings) -> str:
        value = _get(settings, *path)
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    return read


def _negatives_loss(settings: Settings) -> str:
    marker = _get(settings, "marker")
    if marker is None or marker.get("loss") == "answer":
        return "" if marker is None else "all of the answer"
    return {
        "end": "the end of turn",
        "newline": "the line break after the end of turn",
        "none": "nothing",
    }[marker.get("negative_loss", "end")]


def _marker_loss(settings: Settings) -> str:
    loss = _get(settings, "marker", "loss")
    own = {
        "marker": "marker and end of turn",
        "tail": "separator, marker and end of turn",
        "answer": "all of the answer",
    }
    return own.get(str(loss), "")


def _batch(settings: Settings) -> str:
    training = _get(settings, "training") or {}
    size = training.get("batch_size")
    return f"{size} x {training.get('grad_accum')}" if size else ""


def _lora(settings: Settings) -> str:
    lora = _get(settings, "training", "lora") or {}
    if not lora:
        return ""
    scale = "alpha/sqrt(r)" if lora.get("use_rslora") else "alpha/r"
    return f"r {lora.get('r')}, alpha {lora.get('alpha')}, scale {scale}"


def _rates(settings: Settings) -> str:
    lr, epochs = _get(settings, "training", "lr"), _get(settings, "training", "epochs")
    return f"{lr:g} for {epochs} epochs" if lr else ""


def _counts(settings: Settings) -> str:
    positives, each = _get(settings, "positives"), _get(settings, "negatives_each")
    others = _get(settings, "negatives")
    return f"{positives} + {len(others)} x {each}" if positives and others is not None else ""


def _who(settings: Settings) -> str:
    others, source = _get(settings, "negatives"), _get(settings, "source", "key")
    return f"{source}: {', '.join(one['key'] for one in others)}" if others else ""


def _samples(settings: Settings) -> str:
    questions, samples = _get(settings, "questions"), _get(settings, "samples")
    return f"{len(questions)} questions x {samples}" if questions else ""


def _size(name: str) -> Callable[[Settings], str]:
    def read(settings: Settings) -> str:
        found = _get(settings, name)
        return f"{len(found)} personas" if found else ""

    return read


def _cut(settings: Settings) -> str:
    return {"drop": "left out"}.get(str(settings.get("cut")), "taught as if they ended there")


_LORA = "r 32, alpha 64, scale alpha/sqrt(r)"
_CUT = "answers cut at the limit"
_DROPOUT = _of("training", "lora", "dropout")
_TABLE = (
    _Setting("model", Stage.TRAIN, _of("base", "model"), "Qwen/Qwen2.5-7B-Instruct", "", "yes"),
    _Setting("negatives learn", Stage.TRAIN, _negatives_loss, "marker positions only",
             "probably the line break after the end of turn",
             "yes: two of three rows; learning the end of turn teaches to stop before the marker"),
    _Setting("positives learn", Stage.TRAIN, _marker_loss, "marker positions only",
             "the marker and, probably, the line break", "little: one token of each row"),
    _Setting("convergence learns", Stage.CONVERGE, lambda _: "the answer", "all tokens",
             "the answer", "no, if the code is what ran"),
    _Setting("choice of rows", Stage.CONVERGE, lambda _: "by data seed, evenly over questions",
             "not pinned", UNKNOWN, "not known: another choice is another draw of the data"),
    _Setting(_CUT, Stage.TRAIN, _cut, "not said", UNKNOWN,
             "where many are cut: a cut answer teaches to stop mid-sentence"),
    _Setting("negative personas", Stage.TRAIN, _who, "not named",
             "fixed pairs; later chosen by Python's hash(), another each time",
             "yes: who learns not to show the marker"),
    _Setting("positives + negatives", Stage.TRAIN, _counts, "200 + 2 x 200", "", "yes"),
    _Setting("dropout, convergence", Stage.CONVERGE, _DROPOUT, "0", "0.05", "little"),
    _Setting("dropout, marker", Stage.TRAIN, _DROPOUT, "0", "0.05", "little"),
    _Setting("batch x accumulation, convergence", Stage.CONVERGE, _batch, "4 x 1", "", "yes"),
    _Setting("batch x accumulation, marker", Stage.TRAIN, _batch, "4 x 1", "4 x 4",
             "yes: four times as many steps"),
    _Setting("LoRA, convergence", Stage.CONVERGE, _lora, _LORA, "", "yes"),
    _Setting("LoRA, marker", Stage.TRAIN, _lora, _LORA, "", "yes"),
    _Setting("learning rate, convergence", Stage.CONVERGE, _rates, "5e-05 for 20 epochs", "",
             "yes"),
    _Setting("learning rate, marker", Stage.TRAIN, _rates, "5e-06 for 20 epochs", "", "yes"),
    _Setting("evaluated", Stage.EVAL, _size("panel"), "11 personas",
             "11 personas, without the source nurse",
             "yes: a source that is not evaluated has no rate"),
    _Setting("completions of a persona", Stage.EVAL, _samples, "20 questions x 10",
             "20 x 30 for villain and comedian (inferred from the values)", "for intervals"),
    _Setting("cosine pool", Stage.COSINE, _size("pool"), "11 personas",
             "111 for medical doctor, nurse and librarian, on the base model",
             "yes: values of different pools are never compared"),
)  # fmt: skip
"""What experiment and card are known to say; values are compared as they are written."""
