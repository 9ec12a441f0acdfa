"""SROIE: four fields of a scanned receipt, one a question (ICDAR 2019, task 3).

Give a folder in the standard shape with --data; its column `category` names the field. The official
task compares whole records; ANLS and exact match per field are what VQA suites report.
"""

import sglang as sgl

from sgleval import Dataset, Sample, Task, grid
from sgleval.answers import ShortText
from sgleval.metrics import anls, exact_match

ANSWER = ShortText(max_chars=120)  # an address is the longest


@sgl.function
def read_field(s, image, question, instruction):
    s += sgl.system("You read scanned receipts.")
    s += sgl.user(sgl.image(image) + question + instruction)
    s += sgl.assistant(ANSWER.gen("answer"))


def to_sample(row):
    return Sample(
        id=row["id"],
        images=[row["image"]],
        question=row["question"],
        answers=row["answers"],
        tags={"field": row["category"]},
    )


task = Task(
    name="sroie",
    dataset=Dataset.files("data/sroie", to_sample=to_sample),
    program=read_field,
    answer=ANSWER,
    metrics=[anls, exact_match],
    variants=grid(instruction={"bare": "", "terse": "\nAnswer with the text only."}),
)
