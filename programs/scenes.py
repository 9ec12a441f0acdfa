"""Rendered scenes of shapes: objects, attributes and relations, each leaf of the taxonomy tagged.

Drawn from the run's `--seed`, 200 scenes and 4 to 7 questions each; nothing is downloaded. The
demo model was trained on scenes of the same generator under other seeds.
"""

import sglang as sgl

from sgleval import Dataset, Task
from sgleval.answers import OneOf
from sgleval.demo.render import questions_of
from sgleval.demo.scenes import COLORS, SHAPES, SIZES, scene
from sgleval.metrics import exact_match

ANSWER = OneOf("no", "yes", *COLORS, *SHAPES, *SIZES, "2", "3", "4")


@sgl.function
def answer_question(s, image, question):
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))


def rows(seed):
    """Yield the questions of 200 scenes, those of a scene together."""
    return questions_of(scene, seed, count=200)


task = Task(
    name="scenes",
    dataset=Dataset.generate(rows, name="rendered scenes"),
    program=answer_question,
    answer=ANSWER,
    metrics=[exact_match],
)
