"""The program that the benchmarks of whole runs ask with: constant text, the page, the question."""

import sglang as sgl

SYSTEM = "You read scanned pages."


@sgl.function
def read_page(s, image, question, instruction=""):
    s += sgl.system(SYSTEM)
    s += sgl.user(sgl.image(image) + question + instruction)
    s += sgl.assistant(sgl.gen("answer", max_tokens=1, temperature=0.0))
