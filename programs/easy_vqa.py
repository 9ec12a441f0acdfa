"""easy-VQA: one coloured shape a picture, some ten questions about it (V. Zhou 2020, MIT).

The official test split: 1,000 pictures of 64 by 64 pixels, 9,673 questions, 13 answers. Both lie
inside the PyPI package: `pip install "sgleval[easy-vqa]"`.
"""

import sglang as sgl

from sgleval import Dataset, Task, grid
from sgleval.answers import OneOf
from sgleval.errors import UserError
from sgleval.metrics import exact_match

SHAPES = ("circle", "rectangle", "triangle")
COLORS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
ANSWER = OneOf("no", "yes", *SHAPES, *COLORS)
INSTRUCTIONS = {
    "bare": "",
    "terse": " Answer in one word.",
    "options": " Answer with yes, no, a shape or a color.",
    "careful": " Look at the picture closely before you answer.",
}


@sgl.function
def answer_question(s, image, question, instruction):
    s += sgl.user(sgl.image(image) + question + instruction)
    s += sgl.assistant(ANSWER.gen("answer"))


def rows(seed):  # noqa: ARG001  (every generator gets one)
    """Yield the test questions, those of a picture together; nothing here is random."""
    try:
        import easy_vqa
    except ImportError as error:
        raise UserError('easy-VQA is not installed; pip install "sgleval[easy-vqa]"') from error
    paths = easy_vqa.get_test_image_paths()
    asked = zip(*easy_vqa.get_test_questions(), strict=True)
    for number, (question, answer, picture) in enumerate(sorted(asked, key=lambda row: row[2])):
        yield {
            "id": f"{picture}-{number}",
            "image": paths[picture],
            "question": question,
            "answers": [answer],
            "kind": "shape" if answer in SHAPES else "color" if answer in COLORS else "yes or no",
        }


task = Task(
    name="easy_vqa",
    dataset=Dataset.generate(rows, name="easy-VQA test"),
    program=answer_question,
    answer=ANSWER,
    metrics=[exact_match],
    variants=grid(instruction=INSTRUCTIONS),
)
