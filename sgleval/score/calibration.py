"""Calibration of a run: whether the model is as often right as it is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.metrics.calibration import (
    brier,
    ece_equal_mass,
    ece_equal_width,
    reliability_bins,
    selective_accuracy,
    selective_area,
)
from sgleval.score.gaps import PERTURBED
from sgleval.score.groups import RUN, parted
from sgleval.score.resampled import RESAMPLED, Ranked
from sgleval.stats import bootstrap, no_bootstrap, numbered
from sgleval.stats.interval import NO_VALUE

if TYPE_CHECKING:
    from sgleval.score.correct import Judged

Row = dict[str, Any]

COVERAGES = (0.1, 0.25, 0.5, 0.75)


def calibration(told: Judged, *, constrained: bool | None) -> Row | None:
    """Return the key `calibration` of the summary; None where nothing has a confidence.

    `metric` is the first one that can say of a sample whether it is right, `constrained` whether
    decoding was, which inflates confidence (None: not known). `rows` has one per variant and
    perturbation: `n` samples with a confidence and those `without` (failed, or the backend gave
    none), the mean `confidence` and `accuracy`, `ece_equal_mass` and `ece_equal_width` over 10
    bins, `brier`, `selective_area`, `selective_accuracy` by coverage, and the reliability `bins` of
    equal width that are not empty. Both errors, `brier` and `selective_area` have the ends `…_low`
    and `…_high` of their bootstrap (`method`, `clusters`, `seed`; null of perturbed copies).
    """
    predictions = told.predictions
    if told.metric is None or predictions["confidence"].null_count() == predictions.height:
        return None
    rows = []
    originals = int((predictions["perturbation"] == "none").sum())
    for key, group in parted(predictions, RUN):
        # A product of rounded probabilities may be a hair above 1.
        sure = pl.col("confidence").clip(0, 1)
        known = group.select(sure, pl.col("correct").cast(pl.Float64), "cluster").drop_nulls()
        counts = {"n": known.height, "without": group.height - known.height}
        row = dict(zip(RUN, key, strict=True)) | counts | _figures(known)
        if row["perturbation"] != "none":
            between = no_bootstrap(RESAMPLED, PERTURBED, None)
        elif known.is_empty():
            between = no_bootstrap(RESAMPLED, NO_VALUE, 0)
        else:
            image, images = numbered(known["cluster"])
            ranked = Ranked.of(known["confidence"], known["correct"], image)
            del known, image  # a million samples take 8 MB a column
            between = bootstrap(RESAMPLED, ranked.figures, images, originals)
        rows.append(row | between)
    return {"metric": told.metric, "constrained": constrained, "rows": rows}


def _figures(known: pl.DataFrame) -> Row:
    sure, right = known["confidence"], known["correct"]
    return {
        "confidence": sure.mean(),
        "accuracy": right.mean(),
        "ece_equal_mass": ece_equal_mass(sure, right),
        "ece_equal_width": ece_equal_width(sure, right),
        "brier": brier(sure, right),
        "selective_area": selective_area(sure, right),
        "selective_accuracy": {
            str(share): selective_accuracy(sure, right, share) for share in COVERAGES
        },
        "bins": [found._asdict() for found in reliability_bins(sure, right) if found.n],
    }
