"""The baseline without a vision model: answers read off the lines that RapidOCR finds on a page.

    sgleval run programs/sroie.py --data DIR --model programs/models/ocr_reader.py:reader

It knows words that documents use (total, invoice, legal forms of companies), the shapes of dates,
amounts and telephone numbers, and where a value stands beside its label. It knows no file, no id
and no answer: what a model scores above it is what seeing and understanding add.
Needs `pip install "sgleval[ocr]"`; the weights are inside the package, nothing is downloaded.
"""

import hashlib
import re
import threading
from collections import Counter, OrderedDict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from rapidfuzz import fuzz

from sgleval.errors import UserError

KEPT_IMAGES = 256  # the questions of an image come close together
OPTIONS = {
    "Global.log_level": "critical",
    "Global.max_side_len": 2000,  # pixels; 1280 is hardly faster and costs two points on receipts
    "Global.use_cls": False,  # documents stand upright, and a short line is easily turned over
}
WEIGHTS = {  # by name: what RapidOCR looks up by itself it downloads where it is not the same
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}

# ---- reading: the lines of an image, found once


class Line(NamedTuple):
    """A line of text and its box in pixels."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


class OcrReader:
    """The user's own model; `read_lines` gets a Pillow image, from one thread at a time."""

    def __init__(self, read_lines, identity):
        self.identity = identity
        self._read_lines = read_lines
        self._kept = OrderedDict()
        self._lock = threading.Lock()

    def predict(self, images, question, choices):
        """Return the answer, or the letter of an option; several images are read as one page."""
        lines, end = [], 0.0
        for page in map(self._lines, images):
            lines += [b._replace(top=b.top + end, bottom=b.bottom + end) for b in page]
            end = max((b.bottom + 1000 for b in lines), default=0.0)  # no block crosses pages
        reply = answer(lines, question)
        likeness = [fuzz.ratio(choice.casefold(), reply.casefold()) for choice in choices]
        return chr(ord("A") + likeness.index(max(likeness))) if choices else reply

    def _lines(self, image):
        with self._lock:  # one engine fills all cores, and who asks about the same image waits
            if image.digest not in self._kept:
                self._kept[image.digest] = self._read_lines(image.pil())
            self._kept.move_to_end(image.digest)
            if len(self._kept) > KEPT_IMAGES:
                self._kept.popitem(last=False)
            return self._kept[image.digest]


def reader():
    """Return the reader. Raises UserError where the extra `ocr` is not installed."""
    try:
        import onnxruntime  # noqa: F401  (RapidOCR asks for it only with the first image)
        import rapidocr
    except ImportError as missing:
        raise UserError(
            f'ocr_reader.py: the package {missing.name} is missing: pip install "sgleval[ocr]"'
        ) from None
    folder = Path(rapidocr.__file__).parent / "models"
    params = {option: str(folder / name) for option, name in WEIGHTS.items()}
    if absent := [path for path in params.values() if not Path(path).is_file()]:
        raise UserError(f'ocr_reader.py: no weights at {absent[0]}: pip install "sgleval[ocr]"')
    engine = rapidocr.RapidOCR(params=OPTIONS | params)

    def read_lines(picture):
        found = engine(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
        boxes = [] if found.boxes is None else found.boxes.tolist()
        return list(map(line_of, found.txts or (), boxes))

    rules = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    return OcrReader(read_lines, f"ocr_reader {rules}, rapidocr {version('rapidocr')}")


def line_of(text, corners):
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners  # clockwise; means, or slanted lines overlap
    return Line(text.strip(), min(x0, x3), (y0 + y1) / 2, max(x1, x2), (y2 + y3) / 2)


# ---- places and words


def height(line):
    return line.bottom - line.top


def same_row(a, b):
    return min(a.bottom, b.bottom) - max(a.top, b.top) > 0.5 * min(height(a), height(b))


def left_of(line, lines):
    return [b for b in lines if same_row(line, b) and b.right <= line.left]


def right_of(line, lines):
    after = line.right - height(line)
    return sorted((b for b in lines if same_row(line, b) and b.left >= after), key=lambda b: b.left)


def below(line, lines):
    """Return the block of lines that follow directly under a line, at its left edge."""
    block = [line]
    for b in lines:
        last, size = block[-1], height(block[-1])
        near = abs(b.left - last.left) < size and abs(b.top - last.bottom) < 0.7 * size
        if near and b.top > last.top and ":" not in b.text:
            block.append(b)
    return block[1:]


SAME = {"no": "number", "#": "number", "inv": "invoice", "tel": "phone", "telephone": "phone"}
SAME |= {"amt": "amount", "qty": "quantity", "dt": "date", "nett": "net"}
EMPTY = r"wh(?:at|ich|om?|en|ere)|how|is|are|was|were|an?|the|this|that|its?|and|or|of|on|in|at"
EMPTY += r"|for|to|by|from|with|mentioned|given|document|receipt|name|number"


def words(text):
    return [SAME.get(word, word) for word in re.findall(r"[^\W_]+|#", text.casefold())]


def asked(question):
    return {word for word in words(question) if not re.fullmatch(EMPTY, word)}


def has(pattern, text):
    return re.search(pattern, text, re.IGNORECASE) is not None


# ---- answers by their shape: dates, amounts, numbers

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
YEAR = r"(?:(?:19|20)\d\d|\d\d)"
DATE = (
    rf"(?<!\w)\d{{1,2}}[-/.]\d{{1,2}}[-/.]{YEAR}|(?<!\d)(?:19|20)\d\d[-/.]\d{{1,2}}[-/.]\d{{1,2}}"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?[ -]?{MONTH}[ ,.-]*{YEAR}"
    rf"|{MONTH}\.? ?\d{{1,2}}(?:st|nd|rd|th)?,? ?(?:19|20)\d\d"
    r"|(?<!\d)(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])20\d\d(?!\d)"
)
AMOUNT = r"[$€£] ?\d[\d,]*(?:\.\d\d)?(?!\d)|(?<![\d.])\d[\d,]*[.,]\d\d(?![\d%])"
PHONE = r"\+?\(?\d[\d ()./-]{5,}\d"
CODE = r"[\w/.-]*\d[\w/.-]*"
TOTAL_WORDS = (
    (r"total|amount|amt\b|payable|\bdue\b|balance", 4),
    (r"grand|\bnett?\b|rounded|payable", 1),
    (r"sub|excl|before", -2),
    (r"\b(?:tax|gst|vat)\b|disc|change|cash|paid|tender|card|point|saving|round.*adj|charge", -4),
)


def labelled(pattern, lines, question, weight=lambda _label: 0, best=-99):
    """Return the first match that has most of the question's words to its left, above `best`."""
    reply = ""
    for line in lines:
        before = " ".join(b.text for b in left_of(line, lines))
        for match in re.finditer(pattern, line.text, re.IGNORECASE):
            label = f"{before} {line.text[: match.start()]}"
            score = 10 * len(asked(question) & set(words(label))) + weight(label)
            if score > best:
                best, reply = score, match[0].strip(" .,")
    return reply


def total(lines, question):
    """Return the amount that is most like a grand total; of equals the last."""

    def weight(label):
        label = re.sub(r"incl\w*\W*(?:of )?(?:gst|tax|vat)?", "", label.casefold())
        return sum(weight for pattern, weight in TOTAL_WORDS if has(pattern, label))

    ends = (i for i, b in enumerate(lines) if has(r"\b(?:tax|gst|vat) ?summary", b.text))
    rest = re.sub("total|amount", "", question)
    return labelled(AMOUNT, lines[: next(ends, None)][::-1], rest, weight)


# ---- answers by their place: who issued it, and where

LEGAL_FORM = r"\b(?:bhd|s/b|ltd|limited|inc|llc|llp|plc|gmbh|corp|corporation|enterprise)\b"
DETAIL = r":|\d{7}|invoice|receipt|\b(?:bill|welcome|tel|phone|fax|gst|vat|tax|reg|date)\b|" + DATE
REGISTRATION = r"(?<=\w)\s*\([^)]*\d{4,}[^)]*\)?$"


def is_text(line):
    """Tell whether it is words, and no heading, label with its value, date or long number."""
    letters = sum(map(str.isalpha, line.text))
    return letters > 4 and not has(DETAIL, re.sub(REGISTRATION, "", line.text))


def company_lines(lines):
    head = [b for b in lines if is_text(b)][:8]
    block = [b for b in head if has(LEGAL_FORM, b.text)][:1] or head[:1]
    for b in reversed(head[: head.index(block[0])] if head else []):
        near = block[0].top - b.bottom < 0.4 * height(b) and height(b) > 0.7 * height(block[-1])
        if not near or has(r"\d", b.text):
            break
        block.insert(0, b)  # a long name begins in the lines above its legal form
    return block


def company(lines, _question):
    return re.sub(REGISTRATION, "", " ".join(b.text for b in company_lines(lines)))


def address(lines, _question):
    """Return the first block of words below the company that begins with a number in its line."""
    name = company_lines(lines)
    blocks = [""]
    for b in lines[lines.index(name[-1]) + 1 if name else 0 :]:
        if is_text(b) and (blocks[-1] or has(r"\d", b.text)):
            blocks[-1] += " " + b.text
        elif blocks[-1]:
            blocks.append("")
    return next((b for b in blocks if has(r"\b\d{5}", b)), blocks[0]).strip()  # with a postcode


# ---- answers by their label
def value_of(lines, label):
    """Return what stands behind a label, right of it or below it; else what is most like it."""
    name = r"\W*".join(map(re.escape, filter(str.isalnum, label)))  # OCR loses blanks and points
    for shape in (rf"^\W*{name}\W*(?=:|$)", rf"(?<!\w){name}(?!\w)", rf"(?<!\w){name}"):
        for line in lines:
            if match := re.search(shape, line.text, re.IGNORECASE):
                return value_behind(line, match.end(), lines)
    return cell(lines, label)


def value_behind(line, end, lines):
    rest = line.text[end:].strip(" :;.,?)-_|#")
    if has(r"\w", rest):
        return re.split(r"\s+\S+ ?:\s", rest)[0]  # the next label of the same row
    beside, under = right_of(line, lines)[:1], below(line, lines)
    if beside and not beside[0].text.endswith(":"):
        free = [b for b in lines if not left_of(b, lines)]
        under = [beside[0], *below(beside[0], free)]
    elif ":" not in line.text:
        under = under[:1]
    return " ".join(b.text for b in under)


def cell(lines, question):
    """Return the value of the line that shares the question's rarest words, or its best phrase."""
    said = {b: set(words(b.text)) & asked(question) for b in lines}
    rarity = Counter(word for shared in said.values() for word in shared)

    def likeness(b):
        return sum(1 / rarity[word] for word in said[b]) + len(said[b]) / len(b.text.split())

    label = max((b for b in lines if has(r"[^\W\d_]", b.text)), key=likeness, default=None)
    if label is None or not said[label]:
        return lines[0].text if lines else ""  # no trace of it: how the page begins
    heads = [b for b in lines if b.bottom <= label.top and said[b] - said[label]]
    cells = right_of(label, lines)
    if cells and heads:  # where the row meets the column
        middles = [h.left + h.right for h in heads]
        return min(cells, key=lambda c: min(abs(c.left + c.right - m) for m in middles)).text
    found = [m for m in re.finditer(r"\w+|#", label.text) if set(words(m[0])) & said[label]]
    start, end = label.text[: found[0].start()], found[-1].end()
    if has(r"^\W*:", label.text[end:]) or not (has(r"\w", start) or has(r"\bname\b", question)):
        return value_behind(label, end, lines) or label.text
    phrases = re.split(r" - |, |; ", label.text)
    return max(phrases, key=lambda phrase: len(set(words(phrase)) & said[label]))


# ---- questions

RULES = (
    (
        r"transcribe|read (?:all|out)|all the text",
        lambda lines, _: "\n".join(b.text for b in lines),
    ),
    (r"\b(?:phone|telephone|tel|fax|mobile)\b", partial(labelled, PHONE, best=0)),
    (r"\b(?:date|dated|when)\b", partial(labelled, DATE)),
    (r"\baddress\b", address),
    (r"\btotal\b|\bamount\b|how much", total),
    (r"\b(?:company|shop|store|vendor|merchant|seller|restaurant)\b", company),
    (r"\b(?:number|no|code)\b", partial(labelled, CODE, best=0)),
    (r"to whom|recipient|addressee", lambda lines, _: value_of(lines, "To")),
    (r"from whom|sender|who (?:sent|wrote)", lambda lines, _: value_of(lines, "From")),
)


def answer(lines, question):
    """Return what the field holds that the question quotes, or the first rule's reply to it."""
    if quoted := re.search(r'field "(.+)"', question):
        return value_of(lines, quoted[1])
    replies = (rule(lines, question) for pattern, rule in RULES if has(pattern, question))
    return next(filter(None, replies), "") or cell(lines, question)
