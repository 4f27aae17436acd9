"""Centring, scales, and the refusal to mix them."""

import numpy as np
import pytest

from tests.science.builders import cosine_row, design
from tuilab.science.analysis import analyse
from tuilab.science.cosine import MixedScalesError, Scale, centred, centred_cosine, on_scale, scales
from tuilab.science.frame import measurements
from tuilab.science.trajectories import cosine_trajectories

POOL = ("a", "b", "c", "d")


def states(offset: float = 0.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    return {key: random.normal(size=16) + offset for key in (*POOL, "outsider")}


def test_centring_removes_what_all_personas_share() -> None:
    # A direction common to all makes raw cosines near 1; after centring it is gone.
    near, far = states(), states(offset=100.0)
    raw = np.dot(far["a"], far["b"]) / np.linalg.norm(far["a"]) / np.linalg.norm(far["b"])
    assert raw > 0.99
    ours = centred_cosine(far, "a", "b", POOL)
    assert ours == pytest.approx(centred_cosine(near, "a", "b", POOL), abs=1e-9)


def test_centred_pool_members_sum_to_nothing() -> None:
    total = np.sum([centred(states(), POOL)[key] for key in POOL], axis=0)
    assert np.abs(total).max() < 1e-12


def test_the_cosine_is_symmetric_and_one_with_itself() -> None:
    found = states()
    assert centred_cosine(found, "a", "b", POOL) == centred_cosine(found, "b", "a", POOL)
    assert centred_cosine(found, "a", "a", POOL) == pytest.approx(1.0)


def test_another_pool_is_another_scale() -> None:
    found = states()
    small = centred_cosine(found, "a", "b", POOL)
    assert abs(centred_cosine(found, "a", "b", (*POOL, "outsider")) - small) > 0.01


def test_a_pool_with_a_gap_is_refused() -> None:
    found = states()
    del found["c"]
    with pytest.raises(ValueError, match="No centroid for c"):
        centred_cosine(found, "a", "b", POOL)
    with pytest.raises(ValueError, match="at least two"):
        centred_cosine(states(), "a", "b", ("a",))
    with pytest.raises(ValueError, match="no direction"):
        centred_cosine({"a": np.ones(2), "b": np.ones(2)}, "a", "b", ("a", "b"))
    with pytest.raises(ValueError, match="NaN"):
        centred_cosine({"a": np.array([np.nan]), "b": np.ones(1)}, "a", "b", ("a", "b"))


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
        on_scale(measurements(rows))


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
