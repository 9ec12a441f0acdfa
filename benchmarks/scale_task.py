"""The task of `scale.py`: a short line for each question about a page."""

import sglang as sgl

from sgleval import Dataset, Task
from sgleval.answers import ShortText
from sgleval.metrics import anls, exact_match

ANSWER = ShortText(max_chars=32)


@sgl.function
def read_field(s, image, question):
    s += sgl.system("You read scanned pages.")
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))


task = Task(
    name="scale",
    dataset=Dataset.files("scale"),
    program=read_field,
    answer=ANSWER,
    metrics=[exact_match, anls],
)
