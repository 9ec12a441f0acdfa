"""Metrics of structured answers: JSON objects, compared field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from sgleval.answers.fields import Json
from sgleval.errors import UserError
from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from sgleval.answers.answer import Parsed

Path = tuple[str | int, ...]
"""Where a value stands: names in objects, positions in lists."""
Values = Mapping[Path, frozenset[str]]
"""The normalised texts at each path; "" stands for none (null, blank, an empty list)."""

ABSENT = frozenset([""])


_ANY_OBJECT = Json({"type": "object"})


def read_object(text: str, choices: Mapping[str, str] | None = None) -> Parsed:  # noqa: ARG001
    """Return the JSON object's text without a code fence, by the rules of `Json.parse`."""
    return _ANY_OBJECT.parse(text)


def field_shares(prediction: str | None, answers: Sequence[str]) -> dict[str, Ratio]:
    """Return the share of each field: its path without positions, such as `items[].price`.

    The fields are those of the accepted object that fits best and those the prediction added; a
    share is 2·TP over 2·TP + FP + FN, 0/0 where nothing was expected and nothing given. No
    prediction, or one that is no JSON object, misses each expected field.

    >>> field_shares('{"total": "5", "tip": 1}', ['{"total": "5", "tip": "2"}'])["tip"]
    Ratio(numerator=0, denominator=2)
    """
    fields: dict[str, list[Ratio]] = {}
    _, shares = _closest(_read(prediction), answers)
    for path, share in shares.items():
        fields.setdefault(_field(path), []).append(share)
    return {field: _sum(shares) for field, shares in fields.items()}


@metric(
    better="higher",
    source="micro F1 over fields, by definition",
    parts=field_shares,
    parser=read_object,
)
def json_fields_f1(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """2·TP over 2·TP + FP + FN of a JSON object's fields, so that sums give micro F1.

    An accepted answer is the JSON text of one object, field → accepted value or list of accepted
    values (`""` among them accepts absence). Nested objects count by name, lists by position; a
    true list in the gold is a list of lists. Values are compared as in `exact_match`, numbers as
    written; null, blank and empty are absent. Of several accepted objects the best one counts. The
    prediction may stand in one code fence; if it is no JSON object, or None, it misses every
    expected field, at least one.

    >>> json_fields_f1('{"date": "1 May", "total": 12.5}', ['{"date": "1 may", "total": "12.50"}'])
    Ratio(numerator=2.0, denominator=4.0)

    Raises:
        UserError: an accepted answer is not the JSON text of an object.
    """
    whole, _ = _closest(_read(prediction), answers)
    return whole


@metric(better="higher", source="whole records, by definition", parser=read_object)
def json_record_match(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if every field of a JSON object is right and none is missing or added, else 0.

    Read and compared as in `json_fields_f1`, with any of the accepted objects.

    >>> json_record_match('{"total": "5"}', ['{"total": ["5", "5.00"], "tip": null}'])
    Ratio(numerator=1.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is not the JSON text of an object.
    """
    answer = _read(prediction)
    whole, _ = _closest(answer, answers)
    return Ratio(answer is not None and whole.numerator == whole.denominator)


def _closest(answer: Values | None, answers: Sequence[str]) -> tuple[Ratio, dict[Path, Ratio]]:
    """Return the share of the whole and of each path, against the object with the highest F1."""
    compared = []
    for gold in answers:
        shares = _compare(answer or {}, _accepted(gold))
        whole = _sum(shares.values())
        # An unread answer is never 0/0: that would drop a failure from the sum.
        compared.append((whole if answer is not None else Ratio(0, max(1, whole[1])), shares))
    return max(compared, key=lambda candidate: _f1(candidate[0]))


def _compare(answer: Values, gold: Values) -> dict[Path, Ratio]:
    paths = dict.fromkeys([*gold, *answer])
    return {path: _share(answer.get(path, ABSENT), gold.get(path, ABSENT)) for path in paths}


def _share(said: frozenset[str], accepted: frozenset[str]) -> Ratio:
    given, wanted = said != ABSENT, accepted != ABSENT
    if said <= accepted:
        return Ratio(2, 2) if given else Ratio(0, 0)
    return Ratio(0, given + wanted)  # a false positive, a miss, or both


def _sum(shares: Iterable[Ratio]) -> Ratio:
    shares = list(shares)
    return Ratio(sum(share.numerator for share in shares), sum(s.denominator for s in shares))


def _f1(share: Ratio) -> float:
    return share.numerator / share.denominator if share.denominator else 1.0


def _field(path: Path) -> str:
    steps = ("[]" if isinstance(step, int) else f".{step}" for step in path)
    # JSON can escape half a surrogate pair in a name, and parquet cannot hold it.
    return "".join(steps).removeprefix(".").encode("utf-8", "replace").decode()


@lru_cache(maxsize=4096)  # the same gold meets the answers of every variant
def _accepted(gold: str) -> Values:
    values = _values(gold, gold=True)
    if values is None:
        raise UserError(
            f"json_fields_f1: the accepted answer {gold[:60]!r} is no JSON object; "
            "give the JSON text of one object"
        )
    return values


def _read(prediction: str | None) -> Values | None:
    """Return what the prediction gives, or None where it is unparsed."""
    found = None if prediction is None else read_object(prediction).answer
    return None if found is None else _values(found, gold=False)


def _values(text: str, *, gold: bool) -> Values | None:
    try:
        content = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_refuse
        )  # numbers as written: 12.50 is not 12.5
        return dict(_leaves(content, (), gold=gold)) if isinstance(content, dict) else None
    except (ValueError, RecursionError):  # a model may write a thousand brackets
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _leaves(value: Any, path: Path, *, gold: bool) -> Iterator[tuple[Path, frozenset[str]]]:
    match value:
        case dict():
            for name, child in value.items():
                yield from _leaves(child, (*path, name), gold=gold)
        case list() if gold and not any(isinstance(child, (dict, list)) for child in value):
            yield path, frozenset(map(_text, value)) or ABSENT
        case list():
            for position, child in enumerate(value):
                yield from _leaves(child, (*path, position), gold=gold)
        case _:
            yield path, frozenset([_text(value)])


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return normalize_text(value)
