"""The platform plugin: when it stands back, and that its vision attention is SGLang's."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib.metadata import entry_points
from itertools import accumulate, pairwise

import pytest
import torch

from sgleval.runtime import cpu_platform
from sgleval.runtime.cpu_platform import vision_attention

HEADS, HEAD_SIZE = 4, 32


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.delenv("SGLANG_USE_CPU_ENGINE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)


def test_without_an_accelerator_the_plugin_names_its_platform(no_accelerator):
    assert cpu_platform.activate() == "sgleval.runtime.cpu_platform.platform.TorchCpuPlatform"


@pytest.mark.parametrize("kind", ["cuda", "accelerator"])
def test_with_an_accelerator_the_plugin_stands_back(no_accelerator, monkeypatch, kind):
    monkeypatch.setattr(getattr(torch, kind), "is_available", lambda: True)
    assert cpu_platform.activate() is None


def test_sglangs_own_cpu_kernels_win_when_asked_for(no_accelerator, monkeypatch):
    monkeypatch.setenv("SGLANG_USE_CPU_ENGINE", "1")
    assert cpu_platform.activate() is None


def test_the_plugin_is_registered_and_loads_neither_sglang_nor_torch():
    (plugin,) = entry_points(group="sglang.srt.platforms", name="sgleval_cpu")
    code = (
        "import sys, importlib; "
        f"importlib.import_module({plugin.module!r}); "
        "sys.exit(' '.join({'sglang', 'torch'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (plugin.attr, ended.stderr) == ("activate", "\n")


@pytest.fixture(scope="module")
def sglang_vision():
    """SGLang's module; it warns while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sglang.srt.layers.attention import vision
    return vision


@pytest.fixture(scope="module")
def stock(sglang_vision):
    forward = sglang_vision.VisionSdpaAttention.forward
    return getattr(forward, "__wrapped__", forward)


@pytest.fixture
def layer(sglang_vision):
    return layer_of(sglang_vision)


def layer_of(sglang_vision, **other):
    facts = {"head_dim": HEAD_SIZE, "num_heads": HEADS, "num_kv_heads": HEADS, **other}
    return sglang_vision.VisionSdpaAttention(**{"flatten_batch": True, **facts})


def patches(*sizes, dtype=torch.float32, seed=0):
    """Random q, k, v of images with these numbers of patches, and their borders."""
    random = torch.Generator().manual_seed(seed)
    shape = (sum(sizes), HEADS, HEAD_SIZE)
    q, k, v = (torch.randn(shape, generator=random).to(dtype) for _ in range(3))
    return q, k, v, torch.tensor([0, *accumulate(sizes)], dtype=torch.int32)


def refuse(*_args, **_others):
    pytest.fail("called although it should not be")


SIZES = [(64,), (4, 4), (1, 300, 16), (324, 64, 4, 4, 144), (0, 16, 0, 4)]


# The values reach 2.7, where a step of bfloat16 is 1/64; seen: 8.3e-7 and 1/128.
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 1 / 64)])
@pytest.mark.parametrize("sizes", SIZES)
def test_attention_per_image_is_the_stock_attention_within_rounding(
    stock, layer, sizes, dtype, most
):
    q, k, v, borders = patches(*sizes, dtype=dtype, seed=len(sizes))
    ours = vision_attention.per_image(refuse)(layer, q, k, v, 1, cu_seqlens=borders)
    theirs = stock(layer, q, k, v, 1, cu_seqlens=borders)
    largest = (ours.float() - theirs.float()).abs().max().item()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert largest <= most, f"largest difference {largest} for images of {sizes} patches, {dtype}"


def test_no_image_looks_at_another(layer):
    q, k, v, borders = patches(36, 100, 16)
    forward = vision_attention.per_image(refuse)
    together = forward(layer, q, k, v, 1, cu_seqlens=borders)
    for start, end in pairwise(borders.tolist()):
        one = torch.tensor([0, end - start])
        alone = forward(layer, q[start:end], k[start:end], v[start:end], 1, cu_seqlens=one)
        torch.testing.assert_close(together[start:end], alone)


OTHER_LAYERS = {
    "images padded to one size": {"flatten_batch": False},
    "softmax in single precision": {"softmax_in_single_precision": True},
    "dropout": {"dropout": 0.5},
}


@pytest.mark.parametrize("facts", OTHER_LAYERS.values(), ids=OTHER_LAYERS)
def test_layers_of_another_kind_keep_the_stock_method(sglang_vision, facts):
    q, k, v, borders = patches(16, 16)
    assert falls_back(layer_of(sglang_vision, **facts), q, k, v, 1, cu_seqlens=borders)


def test_calls_of_another_kind_keep_the_stock_method(layer):
    q, k, v, borders = patches(16, 16)
    assert falls_back(layer, q, k, v, 1)
    assert falls_back(layer, q, k, v, 1, cu_seqlens=borders[:-1])
    assert falls_back(layer, q, k, v, 1, cu_seqlens=borders[1:])
    assert falls_back(layer, q, k, v, 2, cu_seqlens=borders)
    assert falls_back(layer, q, k[:, :2], v[:, :2], 1, cu_seqlens=borders)
    mask = torch.ones(1, 32, 32, dtype=torch.bool)
    assert falls_back(layer, q, k, v, 1, cu_seqlens=borders, attention_mask=mask)


def falls_back(*call, **others):
    """Whether the stock method gets the call, with every argument as it was given."""
    given = {"cu_seqlens": None, "attention_mask": None, "max_seqlen": 16, **others}

    def stock(*args, **kwargs):
        same = (
            all(a is b for a, b in zip(args, call, strict=True)) and kwargs.keys() == given.keys()
        )
        return same and all(kwargs[name] is value for name, value in given.items())

    return vision_attention.per_image(stock)(*call, max_seqlen=16, **others)


def test_a_worker_compiles_nothing(sglang_vision):
    from sgleval.runtime.cpu_platform.platform import TorchCpuPlatform

    TorchCpuPlatform().init_backend()
    try:
        assert torch.compile(torch.neg, backend=refuse)(torch.ones(1)) == -1
    finally:
        torch.compiler.set_stance("default")


def test_a_loaded_model_replaces_the_method_once(sglang_vision, stock, monkeypatch):
    from sgleval.runtime.cpu_platform.platform import TorchCpuPlatform

    cls = sglang_vision.VisionSdpaAttention
    monkeypatch.setattr(cls, "forward", stock)
    TorchCpuPlatform().post_load_model(torch.nn.Identity())
    replaced = cls.forward
    TorchCpuPlatform().post_load_model(torch.nn.Identity())
    assert cls.forward is replaced
    assert replaced.__wrapped__ is stock
