"""The published card and small made-up experiments, shared by the science tests."""

import pytest
from hypothesis import settings

from tuilab.science import published
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.published import PublishedExperiment

# Time on a busy machine says nothing about correctness.
settings.register_profile("science", deadline=None, max_examples=60)
settings.load_profile("science")


@pytest.fixture(scope="session")
def card() -> PublishedExperiment:
    return published.load()


@pytest.fixture(scope="session")
def published_analysis(card: PublishedExperiment) -> Analysis:
    return analyse(card.measurements, card.design)
