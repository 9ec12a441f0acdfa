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
    (`stats.sample_size`). What that takes depends on the share of samples on which two runs
    disagree. `folder` and `last`, its summary, are those of an earlier run of the task: with its
    value p and another one's q = p - difference that share lies between the difference itself (one
    run has right all that the other has) and p + q - 2·p·q (their mistakes have nothing to do with
    each other). Its scores also tell the design effect.

    Raises:
        UserError: the difference is not between 0 and 1.
    """
    if not 0 < difference < 1:
        raise UserError(f"--detect {difference:g}: give a difference between 0 and 1, such as 0.03")
    yield f"to see a difference of {difference:g} (5 % level, power 80 %), paired:"
    effect, most = _known(folder, last, difference) if last else (None, None)
    shares = ASSUMED if most is None else (difference, (difference + most) / 2, most)
    # On fewer than the difference no two runs disagree that are so far apart.
    for share in dict.fromkeys(max(difference, round(share, 6)) for share in shares):
        needed = sample_size(share, difference, effect or 1.0)
        yield f"  {needed:,} samples, if two runs disagree on {share:.3f} of them"
    if effect is None:
        yield "  times the design effect, which a first run tells: questions on one image are alike"
    else:
        yield f"  a design effect of {effect:.2f} is in it, from the last run"


def _known(
    folder: Path, last: Mapping[str, Any], difference: float
) -> tuple[float | None, float | None]:
    """Return the design effect of the last run's headline metric, and the most disagreement."""
    first = last["results"][0]
    scores = pl.read_parquet(folder / "scores.parquet").filter(
        (pl.col("metric") == first["metric"])
        & (pl.col("variant") == first["variant"])
        & (pl.col("perturbation") == "none")
        & pl.col("part").is_null()
    )
    samples = pl.read_parquet(folder / "samples.parquet")
    images = samples.select("sample_id", image=clusters(samples))
    rows = scores.join(images, on="sample_id", maintain_order="left")
    effect = design_effect(rows["numerator"], rows["denominator"], rows["image"])
    value = first["value"]
    if value is None or not 0 <= value <= 1:
        return effect, None
    other = value - difference if value >= difference else value + difference
    return effect, value + other - 2 * value * other
