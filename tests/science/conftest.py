"""The published card and small made-up experiments, shared by the science tests."""

import pytest
from hypothesis import settings

from tuilab.science.analysis import Analysis
from tuilab.store.shipped import published_dir
from tuilab.study.study import Study, open_study

# Time on a busy machine says nothing about correctness.
settings.register_profile("science", deadline=None, max_examples=60)
settings.load_profile("science")


@pytest.fixture(scope="session")
def card() -> Study:
    return open_study(published_dir())


@pytest.fixture(scope="session")
def published_analysis(card: Study) -> Analysis:
    return card.analysis
