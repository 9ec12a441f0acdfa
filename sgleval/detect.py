"""How many samples a difference of a given size needs to be seen: `sgleval plan --detect`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from sgleval.errors import UserError
from sgleval.score.groups import clusters
from sgleval.stats import design_effect, sample_size

ASSUMED = (0.05, 0.1, 0.2)
"""Shares of samples on which two runs disagree, where no run says anything of it."""


def detect(difference: float, folder: Path, last: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the lines that say how many samples a paired comparison needs.

    For a difference of that size in a metric of 0 and 1, at the 5 % level with 80 % power
    (`stats.sample_size`). `folder` and `last`, its summary, are those of an earlier run of the
    task: from its scores come the design effect and the most that two runs of its value disagree,
    2·p·(1 - p), as if their mistakes had nothing to do with each other.

    Raises:
        UserError: the difference is not between 0 and 1.
    """
    if not 0 < difference < 1:
        raise UserError(f"--detect {difference:g}: give a difference between 0 and 1, such as 0.03")
    yield f"to see a difference of {difference:g} (5 % level, power 80 %), paired:"
    effect, disagreeing = _known(folder, last) if last else (None, None)
    shares = ASSUMED if disagreeing is None else (disagreeing / 4, disagreeing / 2, disagreeing)
    for share in shares:
        if share > difference:  # else no two runs can be that far apart
            needed = sample_size(share, difference, effect or 1.0)
            yield f"  {needed:,} samples, if two runs disagree on {share:.3f} of them"
    if disagreeing is not None and disagreeing <= difference:
        yield f"  not to be had: runs of the last one's value disagree on {disagreeing:.3f} at most"
    if effect is None:
        yield "  times the design effect, which a first run tells: questions on one image are alike"
    else:
        yield f"  a design effect of {effect:.2f} is in it, from the last run"


def _known(folder: Path, last: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the design effect and the most disagreement of the last run's headline metric."""
    metric = last["results"][0]["metric"]
    variant = last["results"][0]["variant"]
    scores = pl.read_parquet(folder / "scores.parquet").filter(
        (pl.col("metric") == metric)
        & (pl.col("variant") == variant)
        & (pl.col("perturbation") == "none")
        & pl.col("part").is_null()
    )
    samples = pl.read_parquet(folder / "samples.parquet")
    images = samples.select("sample_id", image=clusters(samples))
    rows = scores.join(images, on="sample_id")
    value = last["results"][0]["value"]
    effect = design_effect(rows["numerator"], rows["denominator"], rows["image"])
    return effect, None if value is None or not 0 < value < 1 else 2 * value * (1 - value)
