"""Every shipped config loads, plans without a blocking check, and says what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.grid.checks import blocking
from tuilab.grid.config import ExperimentConfig
from tuilab.grid.planning import make_plan
from tuilab.store.replan import read_config
from tuilab.store.shipped import SHARED_PROMPTS, configs_dir

FOLDER = configs_dir()
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml") if path.name != SHARED_PROMPTS)


def load(name: str) -> ExperimentConfig:
    return read_config(FOLDER / f"{name}.toml").config


def test_the_folder_holds_the_promised_configs() -> None:
    assert {"tiny", "eps109", "eps109-smoke", "eps109-seeds", "eps109-more-sources"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_plans_and_nothing_blocks_it(name: str) -> None:
    config = load(name)
    assert blocking(config) == ()
    assert config.name == name
    assert make_plan(config, "v").jobs


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_stands_alone_once_written_out(name: str, tmp_path: Path) -> None:
    loaded = read_config(FOLDER / f"{name}.toml")
    alone = tmp_path / "experiment.toml"
    alone.write_text(loaded.text)
    assert "extends" not in loaded.text
    assert read_config(alone).config == loaded.config


def test_the_published_grid_is_the_reference_recipe() -> None:
    config = load("eps109")
    assert len(config.sources) == 7
    assert config.epochs == tuple(range(0, 21, 2))
    assert "nurse" in config.panel
    assert (config.convergence.lr, config.convergence.epochs, config.convergence.rows) == (
        5e-5,
        20,
        400,
    )
    assert (config.marker.lr, config.marker.epochs, config.marker.loss) == (5e-6, 20, "marker")
    for block in (config.convergence, config.marker):
        lora = block.lora
        assert (lora.r, lora.alpha, lora.dropout, lora.use_rslora) == (32, 64, 0.0, True)
        assert len(lora.target_modules) == 7
        assert (block.batch_size, block.grad_accum, block.max_length) == (4, 1, 1024)
        assert (block.warmup_ratio, block.schedule, block.weight_decay) == (0.05, "cosine", 0.0)
    assert (config.data.answers_per_question, config.data.temperature, config.data.top_p) == (
        15,
        0.7,
        0.95,
    )
    assert (len(config.training_questions), len(config.evaluation_questions)) == (40, 20)
    assert (config.eval.samples, config.eval.temperature, config.eval.top_p) == (10, 1.0, 1.0)
    assert config.cosine.layers == (10, 15, 20, 25)
    assert config.headline_layer == 15
    assert len(make_plan(config, "v").cells) == 77


def test_the_variants_differ_where_they_say() -> None:
    base, seeds, more = load("eps109"), load("eps109-seeds"), load("eps109-more-sources")
    assert seeds.seeds == (42, 137, 256)
    assert (
        seeds.model_copy(update={"seeds": base.seeds, "name": base.name, "note": base.note}) == base
    )
    assert not set(more.sources) & set(base.sources)
    assert len(more.sources) == 4
    smoke = load("eps109-smoke")
    assert (smoke.sources, smoke.epochs) == (("villain",), (0, 2))


def test_the_tiny_grid_is_at_least_three_by_four_and_synthetic() -> None:
    config = load("tiny")
    assert len(config.sources) >= 3
    assert len(config.epochs) >= 4
    assert config.is_synthetic
    assert config.marker.loss == "tail"
    assert config.resources.threads == 1
