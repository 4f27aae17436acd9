"""The parts of a source's noise add up to what was put in."""

from dataclasses import replace

import numpy as np
import pytest

from tests.science.builders import trajectory
from tuilab.science.noise_parts import noise_parts
from tuilab.science.questions import Questions
from tuilab.science.trajectories import Point, Trajectory


def drawn(
    training: float, between: float, seeds: int = 1, checkpoints: int = 200
) -> list[Trajectory]:
    random = np.random.default_rng(4)
    effects = between * random.standard_normal(20)
    effects *= between / max(effects.std(), 1e-9)
    runs = []
    for seed in range(seeds):
        points = []
        for epoch in range(checkpoints):
            rates = np.clip(0.4 + training * random.standard_normal() + effects, 0, 1)
            asked = Questions(tuple(random.binomial(10, rates).tolist()), 10)
            hits = sum(asked.hits)
            points.append(Point(epoch, hits / 200, hits=hits, n=200, questions=asked))
        runs.append(Trajectory("villain", seed, tuple(points)))
    return runs


@pytest.mark.parametrize(("seeds", "checkpoints"), [(1, 200), (4, 60)])
def test_the_parts_are_those_that_were_drawn(seeds: int, checkpoints: int) -> None:
    found = noise_parts(drawn(0.05, 0.1, seeds, checkpoints))
    assert found.counting == pytest.approx((0.24 - 0.01) / 200, rel=0.1)
    assert found.questions == pytest.approx(0.1**2 / 19, rel=0.2)
    assert found.training == pytest.approx(0.05**2, rel=0.25)


def test_no_training_noise_is_nearly_none_and_unknown_is_not_zero() -> None:
    found = noise_parts(drawn(0.0, 0.1))
    assert found.training is not None and found.training < 0.0003
    few = noise_parts([trajectory([0.1, 0.2, 0.3])])
    assert (few.questions, few.training) == (None, None)
    assert few.counting is not None
    nothing = noise_parts([replace(trajectory([0.1, None]), seed=3)])
    assert (nothing.counting, nothing.questions, nothing.training) == (None, None, None)
