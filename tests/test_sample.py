import io
from pathlib import Path

import PIL.Image
import pytest

from sgleval.sample import Image, Sample


def png(size=(6, 4), color="red", **options) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, color).save(file, "PNG", **options)
    return file.getvalue()


def test_an_image_of_bytes_and_of_a_file_are_the_same(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    assert Image(path).bytes == png()
    assert Image(path).digest == Image(png()).digest
    assert Image(path).size == Image(png()).size == (6, 4)


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    image = Image(tmp_path / "missing.png")
    with pytest.raises(FileNotFoundError):
        _ = image.digest


def test_a_picture_is_turned_as_its_exif_says_but_its_bytes_are_not():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image = Image(png(exif=exif))
    assert image.size == (6, 4)
    assert image.pil().size == (4, 6)
    assert image.bytes == png(exif=exif)


def test_bytes_that_are_no_image_are_an_os_error():
    with pytest.raises(OSError, match="cannot identify"):
        _ = Image(b"not an image").size


def test_an_image_does_not_print_its_bytes():
    assert len(repr(Image(png()))) < 20


def test_lists_become_tuples_and_tags_become_texts():
    tags = {"page": 3, "signed": True, "absent": None}
    sample = Sample("1", [Image(b"")], "Что это?", ["да", "yes"], ["да", "нет"], tags)
    assert sample.images == (Image(b""),)
    assert (sample.answers, sample.choices) == (("да", "yes"), ("да", "нет"))
    assert sample.tags == {"page": "3", "signed": "true"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 1),
        ("question", None),
        ("images", Image(b"")),
        ("images", "a.png"),
        ("images", [Path("a.png")]),
        ("answers", "yes"),
        ("answers", [1]),
        ("answers", None),
        ("choices", "AB"),
        ("tags", ["page"]),
    ],
)
def test_a_field_of_the_wrong_shape_is_named(field, value):
    good = {"id": "1", "images": [Image(b"")], "question": "?", "answers": ["yes"]}
    with pytest.raises(TypeError, match=field):
        Sample(**(good | {field: value}))
