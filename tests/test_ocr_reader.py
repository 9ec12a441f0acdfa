"""programs/models/ocr_reader.py: rules on hand-made lines, the cache, real OCR of a receipt."""

import importlib.util
import io
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from sgleval.errors import UserError
from sgleval.sample import Image

PATH = Path(__file__).parents[1] / "programs" / "models" / "ocr_reader.py"


def load():
    spec = importlib.util.spec_from_file_location("ocr_reader", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ocr = load()

RECEIPT = [
    ["Jane"],
    ["BRIGHT HARBOUR"],
    ["BAKERY SDN BHD (123456-X)"],
    ["(Co. Reg: 998877-A)"],
    ["No. 12, Jalan Melati 3/4,"],
    ["50480 Kuala Lumpur"],
    ["Tel: 03-1234 5678", "GST NO: 000123456789"],
    ["TAX INVOICE"],
    ["Invoice No: BH-0042", "Date: 05/11/2019 10:20"],
    ["Bread", "2 x 4.50", "9.00"],
    ["Cake", "1 x 21.30", "21.30"],
    ["Subtotal", "30.30"],
    ["Total (Excluding GST)", "30.30"],
    ["GST payable", "1.82"],
    ["Rounding adj", "-0.02"],
    ["TOTAL", "RM 32.10"],
    ["CASH", "50.00"],
    ["CHANGE", "17.90"],
    ["GST Summary", "Amount(RM)", "Tax(RM)"],
    ["Total", "30.30", "1.82"],
]

FORM = [
    ["To:", "Mary Stone", "From:", "R. Hill"],
    ["FAXNUMBER: (336) 555-0100"],
    ["Media Type", "Direct Mail"],
    ["Address", "12 Elm Street"],
    ["", "Springfield 12345"],
    ["Sample No. 77-A  Type: short"],
    ["Remarks:"],
    ["All samples arrived."],
    ["Send more."],
]

TABLE = [["", "1987", "1986*"], ["Office expenses", "9,345", "8,721"], ["Rent", "9,154", "9,020"]]


def page(rows, *, gap=10):
    """Lay cells out 300 pixels apart, in rows of 20 pixels; an empty cell is left out."""
    return [
        ocr.Line(cell, 300 * x, (20 + gap) * y, 300 * x + 9 * len(cell), (20 + gap) * y + 20)
        for y, row in enumerate(rows)
        for x, cell in enumerate(row)
        if cell
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "What is the name of the company that issued this receipt?",
            "BRIGHT HARBOUR BAKERY SDN BHD",
        ),
        ("What is the date on this receipt?", "05/11/2019"),
        (
            "What is the address of the company on this receipt?",
            "No. 12, Jalan Melati 3/4, 50480 Kuala Lumpur",
        ),
        ("What is the total amount?", "32.10"),
        ("How much is the change?", "17.90"),
        ("What is the amount of cash?", "50.00"),
        ("What is the phone number?", "03-1234 5678"),
        ("What is the invoice number?", "BH-0042"),
    ],
)
def test_fields_of_a_receipt_are_found_by_shape_and_label(question, expected):
    assert ocr.answer(page(RECEIPT, gap=4), question) == expected


@pytest.mark.parametrize(
    "text",
    [
        "05/11/2019",
        "5.11.19",
        "2019-11-05",
        "5 Nov 2019",
        "Nov 5, 2019",
        "05112019",
        "5th November 2019",
    ],
)
def test_a_date_is_known_by_its_shape(text):
    lines = page([["Ref 12-34", "0123456789"], [f"issued {text}"]])
    assert ocr.answer(lines, "What is the date?") == text


def test_a_date_glued_to_its_time_is_cut_at_the_year():
    assert ocr.answer(page([["Date", ":17-06-201814:07:29"]]), "What is the date?") == "17-06-2018"


def test_of_several_dates_the_one_whose_label_the_question_names_is_taken():
    lines = page([["Date served:", "July 23, 1998"], ["Date filed:", "August 3, 1998"]])
    assert ocr.answer(lines, "On what date was it filed?") == "August 3, 1998"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["Total", "10.00"], ["Grand total", "10.60"], ["Cash", "20.00"]], "10.60"),
        ([["Total 33.92"], ["Total rounded 33.90"], ["Change 16.10"]], "33.90"),
        ([["Total (Inclusive GST) RM", "23.60"], ["GST", "0.40"]], "23.60"),
        ([["SUBTOTAL:", "28.60"], ["6% GST", "0.07"], ["CASH", "100.00"]], "28.60"),
        ([["Total due", "$1,234.50"]], "$1,234.50"),
        ([["Total QTY:", "8"], ["Net Amt", "53.55"]], "53.55"),
    ],
)
def test_the_total_is_told_from_the_amounts_around_it(rows, expected):
    assert ocr.answer(page(rows), "What is the total amount?") == expected


def test_a_company_without_a_legal_form_is_the_first_line_of_words():
    lines = page([["A03155"], ["CORNER CAFE"], ["1, High Street"]])
    assert ocr.answer(lines, "Which shop is it?") == "CORNER CAFE"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("To:", "Mary Stone"),
        ("FROM:", "R. Hill"),
        ("Fax Number:", "(336) 555-0100"),
        ("Media Type", "Direct Mail"),
        ("Address", "12 Elm Street Springfield 12345"),
        ("Sample No.", "77-A"),
        ("Remarks:", "All samples arrived. Send more."),
    ],
)
def test_the_value_of_a_field_stands_behind_beside_or_below_its_label(label, expected):
    assert ocr.answer(page(FORM), f'What is the value of the field "{label}"?') == expected


@pytest.mark.parametrize("label", ["", "(#)", "a.b[c", 'the "inner" part'])
def test_a_label_that_stands_nowhere_or_has_no_letters_is_no_crash(label):
    assert isinstance(ocr.answer(page(FORM), f'What is the value of the field "{label}"?'), str)


def test_a_table_is_read_where_the_row_meets_the_column():
    assert ocr.answer(page(TABLE), "What is the expense for rent for 1986?") == "9,020"
    assert ocr.answer(page(TABLE), "What is the expense for rent for 1987?") == "9,154"


def test_other_questions_get_the_line_that_shares_their_rarest_words():
    lines = page(
        [["We thank you for the gift"], ["HARBOUR UNIVERSITY - A LIVING GIFT"], ["Page 2"]]
    )
    assert ocr.answer(lines, "What is the name of the university?") == "HARBOUR UNIVERSITY"
    assert ocr.answer(lines, "what is the page no?") == "2"
    assert ocr.answer(lines, "Кто это?") == "We thank you for the gift"


def test_all_the_text_is_the_lines_in_order():
    assert ocr.answer(page([["one"], ["two"]]), "Transcribe all the text.") == "one\ntwo"


def picture(*lines, size=(640, 400)):
    """Return a rendered page as the bytes of a PNG."""
    drawn = PIL.Image.new("RGB", size, "white")
    pen, font = PIL.ImageDraw.Draw(drawn), PIL.ImageFont.load_default(size=26)
    for row, text in enumerate(lines):
        for column, cell in enumerate(text.split("|")):
            pen.text((40 + 380 * column, 30 + 44 * row), cell, fill="black", font=font)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return file.getvalue()


def test_an_image_is_read_once_whatever_is_asked_from_however_many_threads():
    read, inside = [], threading.Lock()

    def read_lines(drawn):
        assert inside.acquire(blocking=False), "two threads in the engine"
        read.append(drawn.size)
        inside.release()
        return page([[f"Width: {drawn.size[0]}"]])

    model = ocr.OcrReader(read_lines, "test")
    images = [Image(picture(size=(100 + i % 4, 50))) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: model.predict([i], "What is the width?", ()), images))
    assert answers == [str(100 + i % 4) for i in range(40)]
    assert sorted(read) == [(100 + i, 50) for i in range(4)]


def test_the_oldest_image_is_forgotten(monkeypatch):
    monkeypatch.setattr(ocr, "KEPT_IMAGES", 2)
    read = []
    model = ocr.OcrReader(lambda drawn: read.append(drawn.size[0]) or [], "test")
    for width in (1, 2, 1, 3, 1, 2):
        model.predict([Image(picture(size=(width, 9)))], "What is it?", ())
    assert read == [1, 2, 3, 2]


def test_several_images_are_pages_of_one_document():
    pages = iter([page([["Name:"], ["Ann"]]), page([["Total", "7.50"]])])
    model = ocr.OcrReader(lambda _drawn: next(pages), "test")
    images = [Image(picture(size=(8, 8))), Image(picture(size=(9, 9)))]
    assert model.predict(images, "What is the total?", ()) == "7.50"
    assert model.predict(images, 'What is the value of the field "Name:"?', ()) == "Ann"


def test_with_choices_the_answer_is_the_letter_of_the_nearest():
    model = ocr.OcrReader(lambda _drawn: page([["Total", "RM 7.50"]]), "test")
    images = [Image(picture(size=(8, 8)))]
    assert model.predict(images, "What is the total?", ("1.00", "7.50", "9.99")) == "B"
    assert model.predict(images, "What is it?", ("one",)) == "A"


def test_a_page_without_text_and_a_question_without_images_get_the_empty_answer():
    model = ocr.OcrReader(lambda _drawn: [], "test")
    for question in ("What is the total?", "Who is the company?", "address?", "date?", 'field "X"'):
        assert model.predict([Image(picture(size=(8, 8)))], question, ()) == ""
        assert model.predict([], question, ()) == ""


@pytest.mark.parametrize("package", ["rapidocr", "onnxruntime"])
def test_a_missing_package_is_one_line_that_says_how_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, "rapidocr", object())
    monkeypatch.setitem(sys.modules, "onnxruntime", object())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf'{package} is missing: pip install "sgleval\[ocr\]"$'):
        ocr.reader()


def test_a_rendered_receipt_is_read_by_real_ocr(capfd, monkeypatch):
    pytest.importorskip("rapidocr", reason='real OCR needs pip install "sgleval[ocr]"')
    pytest.importorskip("onnxruntime", reason='real OCR needs pip install "sgleval[ocr]"')
    download = importlib.import_module("rapidocr.utils.download_file").DownloadFile
    monkeypatch.setattr(download, "run", lambda *_: pytest.fail("RapidOCR looks for a download"))
    model = ocr.reader()
    receipt = picture(
        "GREEN VALLEY SDN BHD", "12, Jalan Mawar,", "43000 Kajang", "Date:|03/02/2021"
    )
    totals = picture("Subtotal|14.00", "TOTAL|RM 14.85", "CASH|20.00")
    images = [Image(receipt), Image(totals)]
    questions = {
        "What is the name of the company?": "GREEN VALLEY SDN BHD",
        "What is the address of the company?": "12, Jalan Mawar, 43000 Kajang",
        "What is the date?": "03/02/2021",
        "What is the total amount?": "14.85",
    }
    assert {q: model.predict(images, q, ()) for q in questions} == questions
    assert model.predict([Image(picture(size=(60, 40)))], "What is it?", ()) == ""
    assert model.identity == ocr.reader().identity
    assert "rapidocr" in model.identity
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("RapidOCR").level == logging.CRITICAL


def test_eighty_questions_on_real_receipts_reach_the_bar(shared, tmp_path):
    pytest.importorskip("rapidocr")
    pytest.importorskip("onnxruntime")
    from sgleval import evaluate

    task = PATH.parents[1] / "sroie.py"
    run = evaluate(task, f"{PATH}:reader", data=shared / "data" / "sroie", out=tmp_path / "out")
    assert (run.summary["n"], run.summary["failed"]) == (80, 0)
    [anls] = [row["value"] for row in run.summary["results"] if row["metric"] == "anls"]
    fields = [row["value"] for row in run.summary["groups"] if row["metric"] == "anls"]
    assert anls >= 0.60
    assert len(fields) == 4
    assert min(fields) >= 0.30
