"""How many predictions a second each metric scores, from frames to frames.

    python benchmarks/scoring.py [--rows N] [METRIC...]

The answers are made so that scoring cannot take short cuts: nearly all pairs are distinct, half of
the predictions are wrong by a character, a word or altogether. Without --rows each metric gets as
many rows as it scores in some 0.2 CPU seconds. On a machine that is busy with other things rows per
CPU second, of both cores together, say more than rows per second.
"""

import argparse
import json
import random
import time
from collections.abc import Callable

import polars as pl

from sgleval.metrics import METRICS, Metric
from sgleval.score import score, summarize

SECONDS = 0.2
FEWEST, MOST = 1_200, 120_000
WORDS = 20_000
LABELS = "ABCD"
Case = tuple[str, list[str], list[str]]
"""What was said, what is accepted, and the options."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("metrics", nargs="*", metavar="METRIC", help="all of them otherwise")
    parser.add_argument("--rows", type=int, help="for each metric")
    given = parser.parse_args()
    print(f"{'metric':30} {'rows':>9} {'rows/s':>11} {'rows/CPU s':>11} {'summary s':>10}")
    for name in given.metrics or METRICS:
        rows = given.rows or suitable_rows(METRICS[name])
        seconds, busy, summing = timed(METRICS[name], rows)
        rates = f"{rows / seconds:11,.0f} {rows / busy:11,.0f}"
        print(f"{name:30} {rows:9,} {rates} {summing:10.2f}", flush=True)


def suitable_rows(metric: Metric) -> int:
    timed(metric, FEWEST)  # imports, caches
    _, seconds, _ = timed(metric, FEWEST)
    return min(MOST, max(FEWEST, int(FEWEST / seconds * SECONDS) // 6 * 6))


def timed(metric: Metric, rows: int) -> tuple[float, float, float]:
    """Return the seconds that scoring takes, those of the CPUs for it, and those of the summary."""
    samples, predictions = frames(metric, rows)
    began, busy = time.perf_counter(), time.process_time()
    scores = score(samples, predictions, [metric])
    scored, busy = time.perf_counter(), time.process_time() - busy
    summarize(samples, predictions, scores, [metric])
    return scored - began, busy, time.perf_counter() - scored


def frames(metric: Metric, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return samples and predictions; four rows in a row are of one image, two of one group."""
    draw = random.Random(0)
    words = [
        "".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 9))) for _ in range(WORDS)
    ]
    make = kind(metric.name)
    cases = [make(draw, words) for _ in range(rows)]
    ids = [f"sample-{row}" for row in range(rows)]
    categories = metric.categories or ("one", "two", "three")
    tags = pl.DataFrame(
        {
            "group": [str(row // 2) for row in range(rows)],
            "category": [categories[row // 2 % len(categories)] for row in range(rows)],
        }
    )
    lists = pl.List(pl.String)
    samples = pl.DataFrame(
        {
            "sample_id": ids,
            "image_ids": [[f"image-{row // 4}"] for row in range(rows)],
            "answers": [accepted for _, accepted, _ in cases],
            "choices": [options for _, _, options in cases],
        },
        schema={"sample_id": pl.String, "image_ids": lists, "answers": lists, "choices": lists},
    ).with_columns(tags.to_struct("tags"))
    said = [text for text, _, _ in cases]
    predictions = pl.DataFrame({"sample_id": ids, "answer": said, "text": said}).with_columns(
        variant=pl.lit("default"),
        perturbation=pl.lit("none"),
        rule=pl.lit("whole"),
        error=pl.lit(None, pl.String),
        finish_reason=pl.lit("stop"),
    )
    return samples, predictions


def kind(name: str) -> Callable[[random.Random, list[str]], Case]:
    """Return what makes the cases that a metric is for."""
    kinds: dict[str, Callable[[random.Random, list[str]], Case]] = {
        "vqa": annotators,
        "json": record,
        "yes_no": yes_no,
        "mme": yes_no,
        "pope": yes_no,
        "multiple_choice": choice,
        "first_letter": choice,
        "scienceqa": choice,
        "mmmu": choice,
        "mathvista": choice,
        "money": amount,
        "numeric": amount,
        "relaxed": amount,
        "tabmwp": amount,
        "date": date,
    }
    return next((make for start, make in kinds.items() if name.startswith(start)), phrase)


def phrase(draw: random.Random, words: list[str]) -> Case:
    """One to four words, such as a field of a receipt; one or two accepted forms."""
    text = " ".join(draw.choices(words, k=draw.randint(1, 4)))
    accepted = [text, text.upper()] if draw.random() < 0.3 else [text.title()]
    return wrong(draw, words, text), accepted, []


def annotators(draw: random.Random, words: list[str]) -> Case:
    """Ten people's answers, of which about four are distinct."""
    forms = [" ".join(draw.choices(words, k=draw.randint(1, 3))) for _ in range(4)]
    accepted = draw.choices(forms, weights=[6, 2, 1, 1], k=10)
    return wrong(draw, words, draw.choice(accepted).title()), accepted, []


def wrong(draw: random.Random, words: list[str], text: str) -> str:
    """Return a text that is wrong half of the time."""
    match draw.randrange(6):
        case 0:
            return text[:-1]
        case 1:
            return f"{text} {draw.choice(words)}"
        case 2:
            return draw.choice(words)
        case _:
            return text


def record(draw: random.Random, words: list[str]) -> Case:
    gold = {field: draw.choice(words) for field in ("company", "date", "address", "total")}
    said = {field: wrong(draw, words, value) for field, value in gold.items()}
    return json.dumps(said), [json.dumps(gold)], []


def yes_no(draw: random.Random, words: list[str]) -> Case:
    said = draw.choice(["Yes", "No", "Yes, there is a {}.", "No, there is no {}.", "A {}."])
    return said.format(draw.choice(words)), [draw.choice(["yes", "no"])], []


def choice(draw: random.Random, words: list[str]) -> Case:
    options = draw.sample(words, 4)
    said = draw.choice(
        ["{label}", "({label})", "{label}. {text}", "The answer is {label}.", "{text}"]
    )
    at = draw.randrange(4)
    return said.format(label=LABELS[at], text=options[at]), [draw.choice(LABELS)], options


def amount(draw: random.Random, _: list[str]) -> Case:
    cents = draw.randrange(1, 10**7)
    said = cents if draw.random() < 0.5 else cents + 1
    return f"${said / 100:,.2f}", [f"{cents / 100:.2f}"], []


def date(draw: random.Random, _: list[str]) -> Case:
    year, month, day = draw.randrange(1950, 2030), draw.randrange(1, 13), draw.randrange(1, 29)
    return f"{day}.{month}.{year}", [f"{year}-{month:02}-{day:02}"], []


if __name__ == "__main__":
    main()
