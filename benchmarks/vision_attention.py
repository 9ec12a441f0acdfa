"""Vision attention on CPU: SGLang's own method against one attention per image.

    python benchmarks/vision_attention.py

Both compute the same images in the same process, in turns, in a layer of a small vision
tower; the patches are random and as many as those of scanned receipts.
"""

from __future__ import annotations

import time
import warnings
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch

from sgleval.runtime.cpu_platform import vision_attention

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, HEADS = 128, 4
RECEIPTS = [(2176,), (4900,), (2176, 5040), (2176, 2176, 2176)]
ROUNDS = 2
ROW = "{:<22} {:<9} {:>9} {:>12} {:>7} {:>19}"


def main() -> None:
    layer, stock = sglang_layer()
    ours = vision_attention.per_image(stock)
    print(f"one layer of {HEADS} heads, {torch.get_num_threads()} threads")
    print(ROW.format("patches", "dtype", "stock", "per image", "ratio", "largest difference"))
    for sizes in RECEIPTS:
        for dtype in (torch.bfloat16, torch.float32):
            inputs = patches(sizes, dtype)
            theirs, mine = compare(stock, ours, layer, inputs)
            largest = (theirs[1].float() - mine[1].float()).abs().max().item()
            times = f"{theirs[0]:.3f} s", f"{mine[0]:.3f} s", f"{theirs[0] / mine[0]:.1f}"
            name = (
                " + ".join(map(str, sizes)) if len(set(sizes)) > 1 else f"{len(sizes)} x {sizes[0]}"
            )
            print(ROW.format(name, str(dtype).removeprefix("torch."), *times, f"{largest:.2g}"))


def sglang_layer() -> tuple[Any, Callable[..., torch.Tensor]]:
    """Return an attention layer of the demo model's vision tower and the method it comes with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SGLang's import has several
        from sglang.srt.layers.attention.vision import VisionSdpaAttention
    layer = VisionSdpaAttention(
        head_dim=WIDTH // HEADS,
        num_heads=HEADS,
        num_kv_heads=HEADS,
        flatten_batch=True,
    )
    return layer, VisionSdpaAttention.forward


def patches(sizes: tuple[int, ...], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Return random q, k, v and the borders of images with these numbers of patches."""
    random = torch.Generator().manual_seed(0)
    shape = (sum(sizes), HEADS, WIDTH // HEADS)
    q, k, v = (torch.randn(shape, generator=random).to(dtype) for _ in range(3))
    return q, k, v, torch.tensor([0, *accumulate(sizes)], dtype=torch.int32)


def compare(
    stock: Callable[..., torch.Tensor],
    ours: Callable[..., torch.Tensor],
    layer: Any,
    inputs: tuple[torch.Tensor, ...],
) -> list[tuple[float, torch.Tensor]]:
    """Return the best seconds and the output of both, run in turns."""
    q, k, v, borders = inputs
    best = [(float("inf"), q), (float("inf"), q)]
    for _ in range(ROUNDS):
        for place, forward in enumerate((stock, ours)):
            start = time.perf_counter()
            output = forward(layer, q, k, v, 1, cu_seqlens=borders)
            seconds = time.perf_counter() - start
            best[place] = min(best[place], (seconds, output), key=lambda one: one[0])
    return best


if __name__ == "__main__":
    main()
