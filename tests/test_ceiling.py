"""The ceiling of prefix reuse, against an ideal cache written out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from sgleval.ceiling import Ceiling
from sgleval.prompt_tokens import PromptTokens

PAD = "<|image_pad|>"


def ceiling():
    """Return one over a tokenizer of single characters, whose one special token is the image's."""
    vocabulary = {chr(code): code - 32 for code in range(32, 127)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([PAD])
    return Ceiling(PromptTokens(tokenizer, tokenizer.token_to_id(PAD)))


def ideal(prompts):
    """Return what a cache of unlimited size saves: each prompt is a list of computed tokens."""
    kept, computed = set(), 0
    for prompt in prompts:
        prefixes = [tuple(prompt[:end]) for end in range(1, len(prompt) + 1)]
        whole = (*prompt, "end")
        computed += sum(prefix not in kept for prefix in prefixes) + (whole in kept)
        kept.update(prefixes, [whole])
    return 1 - computed / sum(map(len, prompts))


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.text("xy", max_size=3), st.sampled_from(["p", "q"])),
        min_size=1,
        max_size=12,
    )
)
def test_it_equals_an_ideal_cache(asked):
    counted, prompts = ceiling(), []
    for before, behind, image in asked:
        counted.add(f"{before}{PAD}{behind}.", [image], image_tokens=3)
        prompts.append([before, *[image] * 3, *behind, "."])
    assert counted.value == pytest.approx(ideal(prompts))


def test_six_questions_on_one_image_share_all_but_their_own_tokens():
    counted = ceiling()
    for question in "abcdef":
        counted.add(f"read {PAD}{question}", ["page"], image_tokens=94, prompt_tokens=100)
    assert counted.value == pytest.approx(1 - (100 + 5) / 600)


def test_two_images_of_a_prompt_are_told_apart_by_their_order():
    counted = ceiling()
    for images in (["a", "b"], ["b", "a"]):
        counted.add(f"{PAD}{PAD}?", images, image_tokens=8, prompt_tokens=9)
    assert counted.value == 0.0


def test_a_count_that_is_not_the_servers_makes_it_unknown_not_invented():
    counted = ceiling()
    counted.add(f"{PAD}?", ["a"], image_tokens=4, prompt_tokens=5)
    counted.add(f"{PAD}?", ["a"], image_tokens=4, prompt_tokens=6)
    assert counted.value is None


def test_a_placeholder_too_many_makes_it_unknown():
    counted = ceiling()
    counted.add(f"{PAD}{PAD}?", ["a"], image_tokens=4)
    assert counted.value is None


def test_nothing_asked_has_no_ceiling_and_a_folder_without_tokenizer_none(tmp_path):
    assert ceiling().value is None
    assert Ceiling.of(tmp_path, PAD) is None
