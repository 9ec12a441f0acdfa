"""Samples that count together: groups, categories, and the images they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sgleval.metrics.metric import Metric

GROUP, CATEGORY = "group", "category"
"""The tags that group metrics and composites go by, unless others are named."""

RUN = ("variant", "perturbation")
"""What tells apart the predictions of one sample."""

MEMBERS = (*RUN, CATEGORY, GROUP)


def parted(
    rows: pl.DataFrame, keys: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    """Yield the rows of each combination of keys, each key's values as they first come.

    One part at a time is copied; of a million rows `group_by` takes as much again for its indices.
    """
    if not keys:
        yield (), rows
        return
    first, *others = keys
    for value in rows[first].unique(maintain_order=True):
        for found, part in parted(kept(rows, rows[first].eq_missing(value)), others):
            yield (value, *found), part


def kept(rows: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """Return the rows that a mask takes; all of them are not copied."""
    return rows if mask.all() else rows.filter(mask)


def tag(samples: pl.DataFrame, name: str) -> pl.Series:
    """Return the column of a tag's values, null where a sample has none."""
    tags = samples["tags"].struct if "tags" in samples.columns else None
    if tags is None or name not in tags.fields:
        return pl.Series(name, [None] * samples.height, dtype=pl.String)
    return tags.field(name)


def of_categories(metric: Metric, asked: pl.DataFrame, category: str) -> pl.DataFrame:
    """Keep the samples of the metric's own categories."""
    wanted = asked.filter(pl.col(CATEGORY).is_in(list(metric.categories or ())))
    if wanted.is_empty() and not asked.is_empty():
        found = asked[CATEGORY].drop_nulls().unique(maintain_order=True).head(5).to_list()
        there = f"{category!r} is {', '.join(found)}" if found else f"no sample has {category!r}"
        first = ", ".join((metric.categories or ())[:3])
        raise UserError(
            f"{metric.name}: takes the categories {first}, …, but {there}; name the tag or column"
        )
    return wanted


def counted_together(metric: Metric, scored: pl.DataFrame, group: str) -> pl.DataFrame:
    """Let the members of a group count only together."""
    alone = scored.filter(pl.col(GROUP).is_null())
    if not alone.is_empty():
        raise UserError(
            f"{metric.name}: sample {alone['sample_id'][0]!r} has no {group!r}; "
            "name the tag or column that says which samples count together"
        )
    if metric.group_size is not None:
        _refuse_other_sizes(metric, scored)
    least, size = pl.col("numerator").min().over(MEMBERS), pl.len().over(MEMBERS)
    if metric.group == "all":
        return scored.with_columns(numerator=least / size, denominator=1 / size)
    return scored.with_columns(numerator=pl.col("numerator") + least)


def _refuse_other_sizes(metric: Metric, scored: pl.DataFrame) -> None:
    sizes = scored.group_by(MEMBERS, maintain_order=True).len()
    wrong = sizes.filter(pl.col("len") != metric.group_size)
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        named = " ".join(f"{row[key]!r}" for key in (CATEGORY, GROUP) if row[key] is not None)
        raise UserError(
            f"{metric.name}: the group {named} has {row['len']} samples; "
            f"give {metric.group_size} of each"
        )


def clusters(samples: pl.DataFrame, tags: tuple[str, ...] = ()) -> pl.Series:
    """Return a number for each sample that those which depend on each other share.

    Samples depend on each other that show the same images, and where `tags` are named also those
    that have the same values of these; a sample without images stands for its own.
    """
    images = samples.select(image=shown(samples).rank("dense") - 1)["image"]
    if not tags:
        return images
    sets = samples.select(
        *(tag(samples, name).alias(f"tag{at}") for at, name in enumerate(tags)),
        lone=pl.when(tag(samples, tags[-1]).is_null()).then(images),  # in no group
    )
    groups = sets.select(group=pl.struct(pl.all()).rank("dense") - 1)["group"]
    return _connected(images, groups)


def shown(samples: pl.DataFrame) -> pl.Series:
    """Return a text for each sample that those with the same images share.

    Others' predictions may come without images; such a sample stands for its own.
    """
    images = pl.when(pl.col("image_ids").list.len() > 0).then(pl.col("image_ids").list.join("+"))
    return samples.select(shown=images.otherwise("sample_id"))["shown"]


def _connected(images: pl.Series, groups: pl.Series) -> pl.Series:
    """Number the connected components of samples that share an image or a group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(images)
    edges = (images.to_numpy(), groups.to_numpy() + size)
    graph = coo_array(([1] * size, edges), shape=(2 * size, 2 * size))
    _, numbers = connected_components(graph, directed=False)
    return pl.Series("cluster", numbers[edges[0]], dtype=images.dtype)
