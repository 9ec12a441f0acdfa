"""Letters told as the options that they stand for, which may move."""

from __future__ import annotations

from string import ascii_uppercase

import polars as pl


def as_options(
    predictions: pl.DataFrame, samples: pl.DataFrame, copies: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the predictions with each answer that is a letter as its option's text.

    The options are those of the sample, or of its perturbed copy where that has others. An answer
    that is no letter of an option stays.
    """
    keys = ["perturbation", "sample_id"]
    own = samples.select("sample_id", "choices")
    told = predictions.join(own, on="sample_id", how="left", maintain_order="left")
    if copies is not None and not copies.is_empty():
        moved = copies.select(*keys, moved="choices")
        told = told.join(moved, on=keys, how="left", maintain_order="left")
        told = told.with_columns(choices=pl.coalesce("moved", "choices")).drop("moved")
    letters = {letter: place for place, letter in enumerate(ascii_uppercase)}
    place = pl.col("answer").replace_strict(letters, default=None, return_dtype=pl.Int64)
    option = pl.col("choices").list.get(place, null_on_oob=True)
    return told.with_columns(answer=pl.coalesce(option, "answer")).drop("choices")
