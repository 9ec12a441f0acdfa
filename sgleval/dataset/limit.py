"""Which samples `--limit` takes: always the same ones, and a larger limit keeps the smaller's."""

import re

from sgleval.dataset.scan import Scan
from sgleval.errors import UserError


def parse_limit(limit: str | int) -> tuple[int, bool]:
    """Return how many, and whether images are counted: "20" is 20 samples, "20i" 20 images.

    >>> parse_limit("20i")
    (20, True)

    Raises:
        UserError: it is neither, or less than one.
    """
    found = re.fullmatch(r"([0-9]{1,18})(i?)", str(limit))
    if found is None or int(found[1]) < 1:
        raise UserError(
            f"--limit {limit}: give a number of samples from 1 on, or of images such as 20i"
        )
    return int(found[1]), found[2] == "i"


def limited(scan: Scan, limit: str | int | None) -> bytes:
    """Return a mask with 1 at the positions to take; None takes all.

    Samples are taken by the smallest keys of their ids, images (with all their questions; several
    images of one sample count as one) by the smallest keys of their content.

    Raises:
        UserError: the limit is malformed.
    """
    import numpy as np

    if limit is None:
        return b"\1" * scan.n
    count, by_image = parse_limit(limit)
    keys = np.frombuffer(scan.image_keys if by_image else scan.ids, dtype=np.uint64)
    distinct = np.unique(keys)
    if count >= len(distinct):
        return b"\1" * scan.n
    return bytes((keys < distinct[count]).astype(np.uint8))
