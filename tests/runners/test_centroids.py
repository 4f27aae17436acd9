"""Which hidden state is read, and how two centroids are compared."""

from __future__ import annotations

import pytest
import torch

from runners.ml import centroids
from runners.ml.model_cache import LoadedModel
from tests.runners.chain import PERSONAS


def test_layer_l_is_the_output_of_block_l_at_the_last_prompt_token(model: LoadedModel) -> None:
    prompts = [
        model.chat.prompt_ids(prompt, question)
        for prompt in PERSONAS.values()
        for question in ("Why?", "How does a computer processor work?")
    ]
    states = centroids.last_token_states(
        model.model, prompts, [0], 3, model.pad_id, lambda done, of: None
    )
    for index, prompt in enumerate(prompts):
        with torch.no_grad():
            alone = model.model.model(
                input_ids=torch.tensor([prompt]), output_hidden_states=True
            ).hidden_states
        assert len(alone) == model.model.config.num_hidden_layers + 1
        assert torch.allclose(states[0][index], alone[1][0, -1], atol=1e-5)
        assert not torch.allclose(states[0][index], alone[0][0, -1], atol=1e-2)


def test_the_last_block_is_read_before_the_final_norm(model: LoadedModel) -> None:
    prompt = model.chat.prompt_ids(PERSONAS["nurse"], "Why?")
    last = model.model.config.num_hidden_layers - 1
    found = centroids.last_token_states(
        model.model, [prompt], [last], 1, model.pad_id, lambda done, of: None
    )[last]
    with torch.no_grad():
        normed = model.model.model(input_ids=torch.tensor([prompt])).last_hidden_state[0, -1]
        assert torch.allclose(model.model.model.norm(found[0]), normed, atol=1e-5)
    assert not torch.allclose(found[0], normed, atol=1e-2)


def test_centroids_average_over_questions_persona_by_persona() -> None:
    states = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]])
    assert centroids.centroids(states, 2).tolist() == [[2.0, 0.0], [0.0, 3.0]]


def test_the_cosine_is_taken_after_subtracting_the_pool_mean() -> None:
    pool = torch.tensor([[10.0, 1.0], [10.0, -1.0], [10.0, 0.0], [11.0, 0.0]])
    centred = pool - pool.mean(dim=0)
    expected = torch.nn.functional.cosine_similarity(centred[0], centred[1], dim=0)
    assert centroids.centred_cosine(pool, 0, 1) == pytest.approx(float(expected))
    raw = torch.nn.functional.cosine_similarity(pool[0], pool[1], dim=0)
    assert float(raw) > 0.9 > 0 > float(expected)


def test_the_cosine_of_equal_centroids_is_1_however_it_rounds() -> None:
    torch.manual_seed(0)
    pool = torch.randn(40, 4, 64)
    pool[:, 1] = pool[:, 0]
    assert max(centroids.centred_cosine(one, 0, 1) or 0.0 for one in pool) == 1.0


def test_a_cosine_without_direction_is_none() -> None:
    assert centroids.centred_cosine(torch.ones(3, 2), 0, 1) is None
