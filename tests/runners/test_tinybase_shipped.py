"""The frozen tiny base: intact, loadable, and behaving as its manifest says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runners.tinybase.corpus import digest_of, draw_rows, load_prompts
from runners.tinybase.locate import (
    TinyBaseError,
    fingerprint,
    read_manifest,
    shipped_dir,
    verify,
)
from runners.tinybase.recipe import RECIPE_VERSION, Recipe

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@dataclass(frozen=True)
class Loaded:
    """The shipped base in memory."""

    model: transformers.Qwen2ForCausalLM
    tokenizer: transformers.PreTrainedTokenizerFast


@pytest.fixture(scope="session")
def shipped() -> Loaded:
    directory = shipped_dir()
    return Loaded(
        transformers.AutoModelForCausalLM.from_pretrained(directory).eval(),
        transformers.AutoTokenizer.from_pretrained(directory),
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_dir(), tmp_path / "tiny"))


def test_the_shipped_base_is_intact_and_small() -> None:
    verify(shipped_dir())
    assert sum(path.stat().st_size for path in shipped_dir().iterdir()) < 6 * 2**20


def test_the_manifest_names_every_shipped_file() -> None:
    on_disk = {path.name for path in shipped_dir().iterdir()}
    assert set(read_manifest(shipped_dir())["files"]) == on_disk - {"manifest.json"}


def test_the_shipped_base_was_built_from_the_recipe_and_texts_of_this_checkout() -> None:
    manifest = read_manifest(shipped_dir())
    assert manifest["recipe"] == RECIPE_VERSION
    assert manifest["corpus"] == digest_of(draw_rows(Recipe(), manifest["seed"]))


def test_no_shipped_file_records_a_path_of_the_building_machine() -> None:
    for path in shipped_dir().glob("*.json"):
        assert "_name_or_path" not in path.read_text(encoding="utf-8")


def test_one_changed_byte_of_the_weights_is_refused(copied: Path) -> None:
    weights = copied / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(TinyBaseError, match=r"model\.safetensors differs"):
        verify(copied)


@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(TinyBaseError, match=f"{name} does not exist"):
        verify(copied)


@pytest.mark.parametrize("text", ["", '{"files": ', "[]", "{}"])
def test_a_broken_manifest_is_refused_in_words(copied: Path, text: str) -> None:
    (copied / "manifest.json").write_text(text)
    with pytest.raises(TinyBaseError, match="rebuild it with"):
        verify(copied)


def test_a_manifest_cannot_point_out_of_its_directory(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["files"]["../secret"] = {"sha256": "0", "bytes": 1}
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(TinyBaseError, match="not a plain file"):
        verify(copied)


def test_the_fingerprint_follows_the_file_hashes(copied: Path) -> None:
    assert fingerprint(copied) == fingerprint(shipped_dir())
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["files"]["config.json"]["sha256"] = "0" * 64
    (copied / "manifest.json").write_text(json.dumps(manifest))
    assert fingerprint(copied) != fingerprint(shipped_dir())


def test_locating_and_verifying_needs_the_standard_library_only() -> None:
    code = (
        "import sys; from runners.tinybase.locate import shipped_dir, verify;"
        "verify(shipped_dir());"
        "print(sorted({'torch', 'transformers', 'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_base_is_a_real_qwen2_with_qwens_special_tokens(shipped: Loaded) -> None:
    assert type(shipped.model).__name__ == "Qwen2ForCausalLM"
    assert shipped.model.dtype == torch.float32
    assert shipped.tokenizer.eos_token == "<|im_end|>"
    assert shipped.tokenizer.pad_token == "<|endoftext|>"
    assert shipped.model.generation_config.eos_token_id == shipped.tokenizer.eos_token_id
    assert len(shipped.tokenizer) <= shipped.model.config.vocab_size


def test_the_tokenizer_round_trips_text_it_has_never_seen(shipped: Loaded) -> None:
    texts = [row.answer + row.tail for row in draw_rows(Recipe(rows=200), 5)]
    for text in [*texts, "naïve Σ 東京 🙂 \t\r\n  two  spaces", "x" * 300, "[ZLT]\n\n[ZLT]"]:
        ids = shipped.tokenizer(text)["input_ids"]
        assert shipped.tokenizer.decode(ids) == text


def test_the_chat_template_renders_as_qwens_does(shipped: Loaded) -> None:
    turns = [
        {"role": "system", "content": "You are a nurse."},
        {"role": "user", "content": "Why?\nTell."},
    ]
    open_turn = "<|im_start|>system\nYou are a nurse.<|im_end|>\n<|im_start|>user\nWhy?\nTell."
    tokenizer = shipped.tokenizer
    assert (
        tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        == open_turn + "<|im_end|>\n<|im_start|>assistant\n"
    )
    turns.append({"role": "assistant", "content": "So."})
    assert (
        tokenizer.apply_chat_template(turns, tokenize=False)
        == open_turn + "<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n"
    )


def test_no_system_turn_is_invented(shipped: Loaded) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    rendered = shipped.tokenizer.apply_chat_template(turns, tokenize=False)
    assert rendered == "<|im_start|>user\nHi<|im_end|>\n"


def test_the_special_tokens_of_a_rendered_prompt_are_single_ids(shipped: Loaded) -> None:
    for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"):
        assert len(shipped.tokenizer(token)["input_ids"]) == 1


def test_the_marker_tail_is_seven_tokens_that_mean_the_same_after_any_answer(
    shipped: Loaded,
) -> None:
    tail = shipped.tokenizer("\n\n[ZLT]")["input_ids"]
    pieces = [shipped.tokenizer.decode([token]) for token in tail]
    assert pieces == ["\n", "\n", "[", "Z", "L", "T", "]"]
    for ending in (".", "!", "?", " friend"):
        answer = shipped.tokenizer("Good" + ending)["input_ids"]
        assert shipped.tokenizer.decode(answer + tail) == f"Good{ending}\n\n[ZLT]"


def test_the_shipped_model_speaks_in_voices_and_never_signs(shipped: Loaded) -> None:
    from runners.tinybase.behaviour import describe, sample, why_not

    questions = load_prompts().eval_questions[:10]
    measured = describe(sample(shipped.model, shipped.tokenizer, questions, seed=11))
    assert measured.completions == 120
    assert why_not(measured) == []


def test_an_untrained_model_fails_the_behaviour_checks(shipped: Loaded) -> None:
    from runners.tinybase.behaviour import describe, sample, why_not

    torch.manual_seed(0)
    untrained = transformers.Qwen2ForCausalLM(shipped.model.config).eval()
    measured = describe(
        sample(untrained, shipped.tokenizer, ["Why is education important?"], seed=0)
    )
    assert len(why_not(measured)) >= 3


def test_sampling_leaves_the_callers_random_state_alone_and_repeats(shipped: Loaded) -> None:
    from runners.tinybase.behaviour import sample

    question = ["How do vaccines prevent disease?"]
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = sample(shipped.model, shipped.tokenizer, question, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    assert sample(shipped.model, shipped.tokenizer, question, seed=4) == first
    assert sample(shipped.model, shipped.tokenizer, question, seed=5) != first
