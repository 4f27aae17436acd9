"""Fills the run card from what really ran, never from constants; an empty field stays empty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tuilab.report.card_fields import Field
from tuilab.report.card_origin import Surroundings, compute, environment, records
from tuilab.report.card_results import cosine, data, evaluation
from tuilab.report.card_training import model, training
from tuilab.report.finished_jobs import Ran


def run_card(ran: Sequence[Ran], around: Surroundings) -> list[Field]:
    """Return every field of the card in its order.

    A value that differs between cells is shown as all its values, each with how often it occurs.
    """
    of: dict[str, list[Ran]] = defaultdict(list)
    for one in ran:
        of[one.stage].append(one)
    told = [Field("Results table", name, text) for name, text in (around.origin or {}).items()]
    # A grid of epoch 0 alone trains no convergence adapter: nothing is empty there.
    is_untouched = bool(of["train"]) and all(one.settings.get("epoch") == 0 for one in of["train"])
    return [
        *told,
        *model(of),
        *([] if is_untouched else training("Convergence LoRA", of["converge"])),
        *training("Marker LoRA", of["train"]),
        *(field for field in data(of) if not (is_untouched and field.name == "Convergence rows")),
        *evaluation(of, around.sizes),
        *cosine(of),
        *compute(ran, around),
        *environment(ran, around),
        *records(ran, of, around),
    ]
