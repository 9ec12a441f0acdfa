"""Image perturbations: lazy, seeded by the image, and worse with severity."""

import hashlib
import io
import subprocess
import sys
import threading
from math import log10

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFilter
import PIL.ImageFont
import pytest
from conftest import picture

from sgleval.perturb import parse
from sgleval.perturb.catalog import KINDS
from sgleval.perturb.drawn import FILES, generator
from sgleval.perturb.pictures import crop_margin, margins, paper_colour, prepared
from sgleval.perturb.recent import Recent
from sgleval.sample import Image, Sample

IMAGE = sorted(name for name, kind in KINDS.items() if kind.family == "image")
SEVERE = [name for name in IMAGE if name != "grayscale"]
RESIZING = {"rotate", "crop_margin"}


def document(mode="RGB", size=(400, 520), paper=250):
    """Draw a page: a heading, lines of text, a coloured bar, and a margin all around."""
    page = PIL.Image.new("RGB", size, (paper,) * 3)
    draw = PIL.ImageDraw.Draw(page)
    draw.text((60, 40), "INVOICE 2019", "black", PIL.ImageFont.load_default(28))
    draw.rectangle((60, 90, 300, 110), fill=(180, 40, 30))
    for line in range(14):
        words = f"Item {line}: {line * 7.25:.2f} and {line + 3} more, thank you"
        draw.text((60, 130 + 24 * line), words, (20, 20, 60), PIL.ImageFont.load_default(14))
    return page.convert(mode)


def saved(page, kind="PNG", **options):
    file = io.BytesIO()
    page.save(file, kind, **options)
    return file.getvalue()


def about(*images, id="q1"):
    return Sample(id, [Image(image) for image in images], "What?", ["x"])


def copy_of(spec, *images, seed=0, id="q1"):
    """Return the copy's images, or None where there is no copy."""
    [perturbation] = parse([spec])
    copy = perturbation.apply(about(*images, id=id), seed)
    return copy and copy.images


def spec_of(name, severity=3):
    return name if name == "grayscale" else f"{name}:{severity}"


PAGE = saved(document())


def levels(image):
    return np.asarray(PIL.Image.open(io.BytesIO(image.bytes)).convert("RGB"), dtype=float)


def psnr(image, original):
    return 10 * log10(255**2 / float(((levels(image) - levels(Image(original))) ** 2).mean()))


@pytest.mark.parametrize("name", sorted(set(SEVERE) - RESIZING))
def test_psnr_falls_with_severity_where_the_size_is_kept(name):
    page = PAGE
    if name == "perspective":  # its lines are alike, and one that lies on another looks right
        page = saved(document().filter(PIL.ImageFilter.GaussianBlur(20)))
    values = [psnr(copy_of(f"{name}:{severity}", page)[0], page) for severity in range(1, 6)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 5


@pytest.mark.parametrize("name", IMAGE)
def test_size_and_mode_are_kept_and_the_digest_stands_for_the_bytes(name):
    for mode in ("RGB", "L"):
        original = saved(document(mode))
        images = copy_of(spec_of(name), original)
        if images is None:
            assert (name, mode) == ("grayscale", "L")
            continue
        [copy] = images
        with PIL.Image.open(io.BytesIO(copy.bytes)) as opened:
            assert (opened.format, opened.mode, opened.size) == ("PNG", mode, copy.size)
        if name not in RESIZING:
            assert copy.size == (400, 520)
        [again] = copy_of(spec_of(name), original, id="another question")
        assert (again.digest, again.bytes, again) == (copy.digest, copy.bytes, copy)
        assert len(copy.digest) == 64
        assert copy.digest != Image(original).digest


@pytest.mark.parametrize("name", SEVERE)
def test_severity_0_is_the_original(name):
    assert copy_of(f"{name}:0", PAGE) is None


@pytest.mark.parametrize(
    "spec",
    [
        "rotate:degrees=0",
        "blur:sigma=0",
        "downscale:factor=1",
        "brightness:factor=1",
        "contrast:factor=1.0",
        "shadow:strength=0",
        "noise:sigma=0",
    ],
)
def test_a_parameter_that_does_nothing_is_the_original(spec):
    assert copy_of(spec, PAGE) is None


@pytest.mark.parametrize(
    ("spec", "same"), [("blur:3", "blur:sigma=1.5"), ("jpeg:1", "jpeg:quality=60")]
)
def test_a_parameter_may_stand_in_for_the_severity(spec, same):
    [one], [other] = copy_of(spec, PAGE), copy_of(same, PAGE)
    assert one.bytes == other.bytes
    assert one.digest != other.digest  # full names enter keys


@pytest.mark.parametrize(
    "name", ["rotate", "perspective", "gaussian_noise", "salt_pepper", "shadow"]
)
def test_another_seed_and_another_image_draw_something_else(name):
    draws = {copy_of(f"{name}:3", PAGE, seed=seed)[0].bytes for seed in range(6)}
    assert len(draws) == (2 if name == "rotate" else 6)  # it draws a side and nothing else
    assert len({copy_of(f"{name}:3", PAGE, seed=seed)[0].digest for seed in range(6)}) == 6


def test_a_higher_severity_is_more_of_the_same_noise():
    little, much = (levels(copy_of(f"salt_pepper:{n}", PAGE)[0]) for n in (2, 4))
    hit = little != levels(Image(PAGE))
    assert (little[hit] == much[hit]).all()
    little, much = (levels(copy_of(f"noise:{n}", saved(document(paper=128)))[0]) for n in (1, 2))
    assert np.corrcoef(little[5:30, 5:].ravel(), much[5:30, 5:].ravel())[0, 1] > 0.99


def test_noise_is_the_generators_own_stream():
    grey = saved(PIL.Image.new("L", (4, 3), 128))
    key = f"7:gaussian_noise@1:{hashlib.sha256(grey).hexdigest()[:16]}"
    noise = generator(key).standard_normal((3, 4))
    [copy] = copy_of("noise:2", grey, seed=7)
    expected = np.clip(np.rint(128 + 16 * noise), 0, 255)
    assert (levels(copy)[:, :, 0] == expected).all()


SMALL = saved(PIL.Image.fromarray(np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)))


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("gaussian_noise", "110938d7225d"),
        ("salt_pepper", "8620ebdc1c49"),
        ("brightness", "6b32071ea9fe"),
        ("contrast", "249c0dbe2116"),
        ("shadow", "ce2cb0535f44"),
        ("rotate", "b5c874bd1ec3"),
        ("perspective", "0841a10bd248"),
        ("gaussian_blur", "e126297518a7"),
        ("downscale", "9c22ee775165"),
        ("grayscale", "b00b683c9b90"),
    ],
)
def test_pixels_of_version_1_never_change(name, pixels):
    [copy] = copy_of(spec_of(name, 5), SMALL)
    shown = levels(copy).astype(np.uint8)
    assert hashlib.sha256(shown.tobytes()).hexdigest()[:12] == pixels


def test_jpeg_of_version_1_is_as_good_as_ever():
    [copy] = copy_of("jpeg:5", SMALL)
    assert levels(copy).mean() == pytest.approx(103.8, abs=1)  # decoders may differ by a level
    assert abs(levels(copy)[3, 4] - 109).max() <= 2


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("gaussian_blur", 37.0, 20.0),
        ("downscale", 27.1, 20.1),
        ("jpeg", 35.6, 25.5),
        ("gaussian_noise", 31.7, 11.9),
        ("salt_pepper", 30.8, 15.3),
    ],
)
def test_severities_cost_what_was_measured_on_three_public_pages(shared, name, first, last):
    pages = [
        shared / "data" / "docvqa" / "images" / "ffhx0227_1.png",
        shared / "data" / "funsd" / "images" / "funsd_82092117.png",
        shared / "data" / "sroie" / "images" / "sroie_002.jpg",
    ]
    for severity, expected in ((1, first), (5, last)):
        values = []
        for path in pages:
            original = saved(prepared(Image(path).pil()))
            values.append(psnr(copy_of(f"{name}:{severity}", path)[0], original))
        assert sum(values) / 3 == pytest.approx(expected, abs=0.1)


PROCESS = """
import sys
from sgleval.perturb import parse
from sgleval.sample import Image, Sample
sample = Sample("q1", [Image(sys.stdin.buffer.read())], "What is it?", ["x"], ["a", "b"])
for perturbation in parse(["all", "typos:0.3"]):
    if not perturbation.needs_donor and (copy := perturbation.apply(sample, 3)):
        [image] = copy.images
        print(perturbation.full_name, copy.question, image.digest, hash(image.bytes))
"""


def test_two_processes_draw_the_same_bytes():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROCESS],
            input=saved(document(size=(200, 240))),
            env={"PYTHONHASHSEED": "5"} if not n else {"PYTHONHASHSEED": "5", "TZ": "Asia/Tokyo"},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for n in range(2)
    }
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) > 15


def test_nothing_is_drawn_before_it_is_read(tmp_path):
    path, page = tmp_path / "page.png", saved(document(paper=241))
    path.write_bytes(page)
    copies = [copy_of(spec_of(name), path)[0] for name in sorted(set(IMAGE) - RESIZING)]
    digests = [copy.digest for copy in copies]
    path.write_bytes(page[:2000])  # the header is there, the body is not
    assert all(copy.size == (400, 520) for copy in copies)
    assert len(set(digests)) == len(copies)
    for copy in copies:
        if "grayscale" not in repr(copy.source):  # drawn already, to see that it has colour
            with pytest.raises(OSError, match="truncated"):
                _ = copy.bytes


@pytest.mark.parametrize("spec", ["crop:3", "grayscale", "blur:3"])
def test_an_image_that_cannot_be_drawn_fails_where_it_is_read(spec):
    [copy] = copy_of(spec, PAGE[:2000])
    with pytest.raises(OSError, match="truncated"):
        _ = copy.bytes


def test_a_picture_is_upright_before_it_is_perturbed():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = saved(document(), exif=exif)
    assert copy_of("blur:1", turned)[0].size == (520, 400)
    [upright] = copy_of("brightness:1", saved(document().rotate(-90, expand=True)))
    assert (levels(copy_of("brightness:1", turned)[0]) == levels(upright)).all()
    assert copy_of("blind", turned)[0].size == (520, 400)
    assert PIL.Image.open(io.BytesIO(copy_of("blind", turned)[0].bytes)).size == (520, 400)


def test_other_modes_become_grey_or_colour_and_transparency_is_white():
    clear = PIL.Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert prepared(clear).getpixel((3, 3)) == (255, 255, 255)
    paletted = PIL.Image.new("P", (20, 20), 0)
    paletted.putpalette([10, 200, 30])
    assert prepared(paletted).getpixel((3, 3)) == (10, 200, 30)
    paletted.info["transparency"] = 0
    assert prepared(paletted).getpixel((3, 3)) == (255, 255, 255)
    assert prepared(PIL.Image.new("1", (20, 20), 1)).getpixel((3, 3)) == 255
    assert prepared(PIL.Image.new("CMYK", (20, 20))).getpixel((3, 3)) == (255, 255, 255)
    deep = prepared(PIL.Image.fromarray(np.full((4, 4), 0x8000, np.uint16)))
    assert (deep.mode, deep.getpixel((1, 1))) == ("L", 128)


def test_a_profile_and_notes_of_the_file_do_not_reach_the_copy():
    noted = saved(document(), icc_profile=b"profile", dpi=(300, 300))
    assert copy_of("contrast:2", noted)[0].bytes == copy_of("contrast:2", noted)[0].bytes
    with PIL.Image.open(io.BytesIO(copy_of("contrast:2", noted)[0].bytes)) as copy:
        assert not copy.info


def test_crop_margin_takes_blank_paper_and_no_ink():
    page = prepared(document())
    left, top, right, bottom = margins(page)
    assert min(left, top, right, bottom) > 20
    whole = crop_margin(page, 1, None)
    assert margins(whole) == (0, 0, 0, 0)
    assert whole.size == (400 - left - right, 520 - top - bottom)
    ink = (np.abs(np.asarray(page, dtype=int) - 250) > 16).any(axis=2).sum()
    assert (np.abs(np.asarray(whole, dtype=int) - 250) > 16).any(axis=2).sum() == ink
    sizes = [copy_of(f"crop:{severity}", PAGE)[0].size for severity in range(1, 6)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[4] == whole.size


def test_what_stays_as_it_is_is_not_sent():
    cropped = saved(crop_margin(prepared(document()), 1, None))
    assert copy_of("crop:5", cropped) is None
    assert copy_of("crop:5", picture("white")) is None  # no ink, so no margin
    assert copy_of("grayscale", picture("white")) is None
    assert copy_of("grayscale", saved(document("L"))) is None
    kept, changed = copy_of("crop:5", cropped, PAGE)
    assert kept == Image(cropped)
    assert changed.size < (400, 520)


def test_rotation_fills_the_corners_with_paper():
    [copy] = copy_of("rotate:5", saved(document(paper=235)))
    assert copy.size[0] > 400
    assert copy.size[1] > 520
    assert (levels(copy)[0, 0] == 235).all()
    assert paper_colour(prepared(document(paper=235))) == (235, 235, 235)


def test_every_image_of_a_sample_is_perturbed_and_none_needs_none():
    one, other = copy_of("blur:2", PAGE, saved(document("L")))
    assert one.digest != other.digest
    assert copy_of("blur:2") is None
    assert copy_of("blind") is None


def test_blind_is_one_grey_picture_for_all_pages_of_a_size():
    [one], [other] = copy_of("blind", PAGE), copy_of("blind", saved(document(paper=200)), seed=4)
    assert one.bytes == other.bytes
    assert one.digest == other.digest  # the server computes it once, and the ceiling knows
    assert (levels(one) == 128).all()
    assert one.size == (400, 520)
    assert copy_of("blind", picture())[0].digest != one.digest


def test_a_copy_is_drawn_once_for_the_questions_of_its_page():
    [perturbation] = parse(["salt_pepper:2"])
    first = perturbation.apply(about(PAGE, id="1"), 11).images[0]
    second = perturbation.apply(about(PAGE, id="2"), 11).images[0]
    assert first.bytes is second.bytes
    assert FILES.get(first.digest, lambda: b"drawn again") is first.bytes


def test_what_is_kept_stays_within_its_budget_under_many_threads():
    kept = Recent(budget=10, weigh=len)
    made = []

    def use(name):
        for _ in range(50):
            assert kept.get(name, lambda: made.append(name) or name * 4) == name * 4

    threads = [threading.Thread(target=use, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.get("x", lambda: "xxxx")
    kept.get("y", lambda: "yyyy")
    assert kept.get("x", lambda: "new") == "xxxx"
    kept.get("z", lambda: "zzzz")
    assert kept.get("y", lambda: "new") == "new"  # the one not used for longest went
    assert kept.get("huge", lambda: "h" * 99) == "h" * 99
