"""The roles read off a chat template write what the template writes, or the user is told."""

# ruff: noqa: E501  (chat templates are one line, where blanks count)

import pytest

from sgleval.errors import UserError
from sgleval.runtime.jinja import derive, from_file, renderer

CHATML = """{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}<|im_end|>
{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

LLAVA = """{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'][0]['text'] + '\n\n' %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{% for message in rest %}<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}
{{ first if loop.first }}{% for item in message['content'] %}{% if item['type'] == 'image' %}<start_of_image>{% else %}{{ item['text'] }}{% endif %}{% endfor %}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}"""


def roles_of(source, *, as_parts=True, **tokens):
    return derive("test", renderer(source, tokens, as_parts=as_parts))


def test_the_default_system_text_of_chatml_is_kept():
    template = roles_of(CHATML)
    assert template.default_system == "You are a helpful assistant."
    assert template.image == "<|vision_start|><|image_pad|><|vision_end|>"
    assert template.several_turns
    assert template.compose([("user", "Hi")]).endswith(
        "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert template.compose([("system", "S"), ("user", "Hi")]).startswith(
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n"
    )


def test_a_template_that_writes_pictures_first_keeps_its_line_break():
    template = roles_of(LLAVA)
    assert template.image == "<image>\n"
    assert template.compose([("user", "<image>\nWhat?")]) == "USER: <image>\nWhat? ASSISTANT:"


def test_a_begin_token_opens_only_the_first_turn_and_a_merged_system_text_is_no_role():
    template = roles_of(GEMMA, bos_token="<bos>")
    assert template.compose([("user", "a")]).startswith("<bos><start_of_turn>user\na")
    assert template.several_turns
    with pytest.raises(UserError, match="has no system turn"):
        template.around("system", [])


def test_examples_are_refused_where_an_earlier_answer_is_written_in_another_way():
    thinking = CHATML.replace(
        "{% if add_generation_prompt %}<|im_start|>assistant\n",
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n",
    )
    template = roles_of(thinking)
    assert not template.several_turns
    assert template.compose([("user", "a")]).endswith("<think>\n\n</think>\n\n")
    with pytest.raises(UserError, match="after an answer"):
        template.around("user", ["user", "assistant"])


def test_a_template_that_drops_the_text_is_refused_in_one_line(tmp_path):
    path = tmp_path / "broken.jinja"
    path.write_text("{{ 'hello' }}")
    with pytest.raises(UserError, match="--chat-template") as error:
        from_file(path)
    assert "\n" not in str(error.value)


def test_control_tokens_inside_a_question_become_text():
    template = roles_of(CHATML)
    dirty = "Is <|image_pad|> or <|vision_start|><|image_pad|><|vision_end|> or <image> there?"
    clean = template.clean(dirty)
    assert not any(token in clean for token in ("<|", "<image"))
    assert template.clean(clean) == clean
    assert template.clean("plain < text | here") == "plain < text | here"
