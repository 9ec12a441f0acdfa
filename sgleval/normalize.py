"""The document-safe normalisation of text that metrics and parsers compare by."""

from __future__ import annotations

from unicodedata import normalize

QUOTES = frozenset(['""', "''", "“”", "‘’", "«»", "„“", "``"])  # noqa: RUF001  (meant as they are)


def normalize_text(text: str) -> str:
    """Return `text` without differences that a reader of documents would not see.

    NFC, full case folding, single blanks; then final full stops and enclosing quotation marks go
    as long as there are any. Punctuation inside and articles stay, for "3.14" is not "314"; NFC
    and not NFKC, which turns "10²" into "102". Idempotent; only blank text becomes "".

    >>> normalize_text(' «ACME  Corp.».'), normalize_text("-12.50"), normalize_text("U.S.A.")
    ('acme corp', '-12.50', 'u.s.a')
    """
    folded = single_blanks(folded_case(text))
    while (bare := _without_stops_or_quotes(folded)) != folded:
        folded = bare
    return folded


def folded_case(text: str) -> str:
    """Return `text` in NFC with full case folding: STRASSE and straße are one word."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def single_blanks(text: str) -> str:
    """Return `text` with each run of white space as one blank and none at the ends."""
    return " ".join(text.split())


def _without_stops_or_quotes(text: str) -> str:
    text = text.rstrip(".") or text
    inner = text[1:-1].strip()
    return inner if inner and text[0] + text[-1] in QUOTES else text.strip()
