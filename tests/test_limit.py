import hashlib
import io

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.dataset import Dataset
from sgleval.dataset.keys import Seen, key_of
from sgleval.dataset.limit import limited, parse_limit
from sgleval.errors import UserError


def png(width):
    file = io.BytesIO()
    PIL.Image.new("RGB", (width, 2)).save(file, "PNG")
    return file.getvalue()


PICTURES = [png(1 + i) for i in range(8)]


def scan_of(numbers):
    """Scan one sample per number, whose image depends on it."""

    def rows(seed):
        for number in numbers:
            image = PICTURES[hashlib.sha256(str(number).encode()).digest()[0] % len(PICTURES)]
            yield {"id": f"q{number}", "image": image, "question": "?", "answers": ["x"]}

    return Dataset.generate(rows).scan(seed=0)


def taken(scan, limit):
    mask = limited(scan, limit)
    assert len(mask) == scan.n
    return {position for position in range(scan.n) if mask[position]}


NUMBERS = st.lists(st.integers(0, 1000), min_size=1, max_size=20, unique=True)


@given(NUMBERS, st.integers(1, 25), st.integers(1, 25), st.sampled_from(["", "i"]))
def test_a_larger_limit_contains_a_smaller_one(numbers, one, other, unit):
    scan = scan_of(numbers)
    small, large = sorted((one, other))
    assert taken(scan, f"{small}{unit}") <= taken(scan, f"{large}{unit}")


@given(NUMBERS, st.integers(1, 25))
def test_a_limit_takes_as_many_samples_as_it_says(numbers, count):
    assert len(taken(scan_of(numbers), count)) == min(count, len(numbers))


@given(NUMBERS, st.integers(1, 10))
def test_a_limit_of_images_takes_all_their_questions(numbers, count):
    scan = scan_of(numbers)
    chosen = taken(scan, f"{count}i")
    images = {scan.image_keys[position] for position in chosen}
    assert len(images) == min(count, scan.images)
    assert chosen == {i for i, key in enumerate(scan.image_keys) if key in images}


@given(NUMBERS, st.randoms(use_true_random=False), st.integers(1, 10))
def test_neither_order_nor_neighbours_change_which_samples_come_first(numbers, random, count):
    shuffled = random.sample(numbers, len(numbers))
    one = {numbers[i] for i in taken(scan_of(numbers), count)}
    assert one == {shuffled[i] for i in taken(scan_of(shuffled), count)}


def test_no_limit_takes_all():
    assert limited(scan_of([1, 2, 3]), None) == b"\1\1\1"


@pytest.mark.parametrize("limit", ["0", "0i", "-1", "", "i", "2.5", "20I", "ten", "٣", "1" * 30, 0])
def test_a_limit_that_makes_no_sense_is_refused(limit):
    with pytest.raises(UserError, match="--limit"):
        parse_limit(limit)


def test_keys_are_the_same_on_every_machine():
    assert key_of("q1") == 0xE7837AA50EE28068


@given(st.lists(st.integers(0, 2**64 - 1).filter(bool)))
def test_a_set_of_keys_knows_what_it_has_seen(keys):
    seen, known = Seen(), set()
    for key in keys * 2:
        assert seen.add(key) == (key not in known)
        known.add(key)
    assert len(seen) == len(known)


def test_a_set_of_keys_grows():
    seen = Seen()
    assert all(seen.add(key_of(str(i))) for i in range(3000))
    assert not any(seen.add(key_of(str(i))) for i in range(3000))
    assert len(seen) == 3000
