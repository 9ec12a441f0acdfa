"""What differs between two stored runs: in their manifests, and in their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.compare.match import REASONS, Tables, differing
from sgleval.compare.runs import matched
from sgleval.errors import UserError
from sgleval.metrics import METRICS
from sgleval.score.correct import correct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sgleval.compare.arms import Row
    from sgleval.compare.load import KeptRun

UNTOLD = ("start", "end", "counts")
"""Facts that differ from run to run, or that the answers say better."""

KEYS = ["variant", "perturbation", "sample_id"]


def differences(a: KeptRun, b: KeptRun) -> dict[str, Any]:
    """Return what differs between two runs.

    `manifest` has a row `fact, a, b` per fact that is not the same, by its path (`model.flags`).
    `answers` counts those that are the `same`, `changed` (text or failure), or in one run alone
    (`only_a`, `only_b`); `samples` those that are others though their id is the same, by
    `match.REASONS`. By `metric`, the first that tells right from wrong, `right_to_wrong` and
    `wrong_to_right`; null without one. `rows` has every changed answer. Perturbed copies count.
    """
    runs = (_tables(a.folder, a), _tables(b.folder, b))
    return {
        "runs": [run.name for run in runs],
        "manifest": list(_facts(a.facts, b.facts)),
        "answers": _answers(*runs),
    }


def _tables(folder: Path, run: KeptRun) -> Tables:
    known = tuple(METRICS[name] for name in run.facts["metrics"] if name in METRICS)
    tables = (run.samples, run.predictions, run.scores)
    return Tables(str(folder), run.facts["task"], *tables, known)


def _facts(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Row]:
    sides = [dict(_flat(facts)) for facts in (a, b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        mine, other = (side.get(name) for side in sides)
        if mine != other:
            yield {"fact": name, "a": mine, "b": other}


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if not above and name in UNTOLD:
            continue
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _answers(a: Tables, b: Tables) -> Row:
    try:
        labels = matched([a, b])
    except UserError:  # nothing in common; the manifests say which variants there are
        labels = {}
    shown = [{pair[side]: label for label, pair in labels.items()} for side in (0, 1)]
    tables = [_said(run, names) for run, names in zip((a, b), shown, strict=True)]
    both = tables[0].join(tables[1], on=KEYS, suffix="_b", maintain_order="left")
    same = pl.col("said").eq_missing(pl.col("said_b")) & pl.col("failed").eq(pl.col("failed_b"))
    changed = both.filter(~same)
    reasons = dict(differing(a, b).group_by("reason").len().iter_rows())
    counts: Row = {
        "same": both.height - changed.height,
        "changed": changed.height,
        "only_a": a.predictions.height - both.height,
        "only_b": b.predictions.height - both.height,
        "samples": {name: reasons.get(name, 0) for name in REASONS if name != "absent"},
    }
    return counts | _verdicts(a, b, changed, shown)


def _said(run: Tables, labels: Mapping[str, str]) -> pl.DataFrame:
    """Return the answers under the labels that both runs share: what was said, or the error."""
    mine = run.predictions.filter(pl.col("variant").is_in(list(labels)))
    failed = pl.col("error").is_not_null()
    return mine.select(
        pl.col("variant").replace(labels),
        *KEYS[1:],
        said=pl.when(failed).then("error").otherwise("text"),
        failed=failed,
    )


def _verdicts(a: Tables, b: Tables, changed: pl.DataFrame, shown: list[dict[str, str]]) -> Row:
    """Return the changed answers with which of them were right, and the counts of these."""
    others = {metric.name for metric in b.metrics}
    metrics = [metric for metric in a.metrics if metric.name in others]
    judged = [one for run in (a, b) if (one := correct(run.scores, metrics)) is not None]
    if len({one["metric"][0] for one in judged}) != 1 or len(judged) < 2:  # noqa: PLR2004  (sides)
        nothing = pl.lit(None, pl.Boolean)
        rows = _rows(changed.with_columns(right_a=nothing, right_b=nothing))
        return {"metric": None, "right_to_wrong": None, "wrong_to_right": None, "rows": rows}
    for side, one, labels in zip("ab", judged, shown, strict=True):
        right = one.filter(pl.col("variant").is_in(list(labels))).select(
            pl.col("variant").replace(labels), *KEYS[1:], pl.col("correct").alias(f"right_{side}")
        )
        changed = changed.join(right, on=KEYS, how="left", maintain_order="left")
    was, now = pl.col("right_a"), pl.col("right_b")
    return {
        "metric": judged[0]["metric"][0],
        "right_to_wrong": changed.filter(was, ~now).height,
        "wrong_to_right": changed.filter(~was, now).height,
        "rows": _rows(changed),
    }


def _rows(changed: pl.DataFrame) -> list[Row]:
    return changed.select(
        *KEYS, "right_a", "right_b", "failed", "failed_b", a="said", b="said_b"
    ).to_dicts()
