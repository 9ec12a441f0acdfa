"""The columnar forms say what the metrics' functions say pair by pair."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sgleval.metrics import METRICS
from sgleval.metrics.vqa import process
from sgleval.score.columns import COLUMNAR, PLAIN, SPECIAL

COLUMNS = {name: COLUMNAR[m.function] for name, m in METRICS.items() if m.function in COLUMNAR}

texts = st.one_of(
    st.text(max_size=12),
    st.text("aA1.,'\"?-$ \n\t\u00e9e\u0301ßΣ", max_size=12),
    st.lists(
        st.sampled_from([*"ax", "The", "dont", "two", "none", "john's", "12:30", "$5", ""])
    ).map(" ".join),
)
pairs = st.lists(st.tuples(st.none() | texts, st.lists(texts, min_size=1, max_size=11)), max_size=6)


def test_the_metrics_of_a_million_rows_have_a_columnar_form():
    assert set(COLUMNS) == {
        "exact_match", "exact_match_strict", "vqa_accuracy", "vqa_accuracy_evalai"
    }  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
@given(pairs)
@example([])
@example([(None, [""]), ("", [""]), ("A  dont", ["don't"] * 4), ("red", ["red"] * 3 + ["x"] * 7)])
@settings(max_examples=60, deadline=None)
def test_columns_equal_the_function(name, rows):
    said = pl.Series([text for text, _ in rows], dtype=pl.String)
    accepted = pl.Series([answers for _, answers in rows], dtype=pl.List(pl.String))
    shares = COLUMNS[name](said, accepted)
    assert shares.schema == {"numerator": pl.Float64, "denominator": pl.Float64}
    assert shares.rows() == [METRICS[name](text, answers) for text, answers in rows]


@given(st.from_regex(PLAIN, fullmatch=True))
@settings(max_examples=100, deadline=None)
def test_plain_words_are_only_lower_cased(text):
    if not any(special in f" {text.lower()} " for special in SPECIAL):
        assert process(text.rstrip("\n")) == text.rstrip("\n").lower()
