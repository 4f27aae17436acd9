"""Scales, and the refusal to mix them."""

import pytest

from tests.science.builders import cosine_row, design
from tuilab.science.analysis import analyse
from tuilab.science.cosine import MixedScalesError, Scale, scales, the_scale
from tuilab.science.frame import measurements
from tuilab.science.trajectories import cosine_trajectories


def test_several_scales_need_a_choice_and_are_all_named() -> None:
    rows = [cosine_row("a", 0, 0.5), cosine_row("a", 0, 0.7, layer=20)]
    rows += [cosine_row("a", 0, 0.9, model_state="base")]
    frame = measurements(rows)
    assert len(scales(frame)) == 3
    with pytest.raises(MixedScalesError, match=r"3 scales.*layer 20, 11 personas, marked"):
        analyse(frame, design(["a"], (0, 2)))
    chosen = Scale(20, "11 personas", "marked")
    assert analyse(frame, design(["a"], (0, 2)), scale=chosen).sources[0].cosine.baseline == 0.7


def test_pools_are_never_mixed_even_across_layers() -> None:
    rows = [cosine_row("a", 0, 0.5), cosine_row("b", 0, 0.7, layer=20, pool="111 personas")]
    with pytest.raises(MixedScalesError, match="cannot share a column"):
        the_scale(measurements(rows))


def test_a_cell_missing_without_a_scale_is_missing_on_every_scale() -> None:
    rows = [
        cosine_row("a", 0, 0.5),
        {"source": "a", "epoch": 2, "metric": "cosine", "status": "failed", "reason": "gpu-oom"},
    ]
    [run] = cosine_trajectories(measurements(rows), design(["a"], (0, 2))).values()
    assert run.baseline == 0.5
    assert (run.points[1].status, run.points[1].reason) == ("failed", "gpu-oom")


def test_a_cosine_with_another_persona_is_not_the_target_s() -> None:
    rows = [cosine_row("a", 0, 0.5), cosine_row("a", 0, 0.9, persona="pirate")]
    [run] = cosine_trajectories(measurements(rows), design(["a"], (0, 2))).values()
    assert run.baseline == 0.5
