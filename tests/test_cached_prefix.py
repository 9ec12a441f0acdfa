"""The CPU platform's attention over a cached prefix is SGLang's, for less."""

from __future__ import annotations

import inspect
import warnings
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval.runtime.cpu_platform import cached_prefix

HEAD_SIZE, SLOTS = 16, 512


@pytest.fixture(scope="module")
def cls():
    """SGLang's class; it warns while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend
    return TorchNativeAttnBackend


@pytest.fixture(scope="module")
def stock(cls):
    extend = cls._run_sdpa_forward_extend
    return getattr(extend, "__wrapped__", extend)


def refuse(*_args, **_others):
    pytest.fail("called although it should not be")


def batch(requests, heads=4, key_heads=4, dtype=torch.float32, cache=None, seed=0):
    """The arguments of a call for requests of these (cached, new) tokens.

    Tokens lie anywhere in the cache and requests in any row of the table, as on a busy server.
    """
    random = torch.Generator().manual_seed(seed)
    cached, new = (torch.tensor(column) for column in zip(*requests, strict=True))
    k, v = (
        torch.randn(SLOTS, key_heads, HEAD_SIZE, generator=random).to(cache or dtype)
        for _ in range(2)
    )
    query = torch.randn(int(new.sum()), heads, HEAD_SIZE, generator=random).to(dtype)
    table = torch.stack([torch.randperm(SLOTS, generator=random) for _ in range(9)]).int()
    rows = torch.randperm(9, generator=random)[: len(requests)]
    tensors = (query, torch.empty_like(query), k, v, table, rows, cached + new, cached, new)
    return tensors, {"scaling": 0.3, "enable_gqa": heads != key_heads, "causal": True}


def largest_difference(stock, tensors, options):
    query, _, *others = tensors
    theirs = stock(None, query, torch.full_like(query, 9.0), *others, None, **options)
    output = torch.full_like(query, 9.0)
    ours = cached_prefix.new_rows(refuse)(None, query, output, *others, None, **options)
    assert ours is output
    return (ours.float() - theirs.float()).abs().max().item()


REQUESTS = {
    "nothing cached": [(0, 37)],
    "one token cached": [(1, 36)],
    "all cached but one token": [(140, 1)],
    "as much cached as new": [(24, 24)],
    "one more cached than new": [(25, 24)],
    "one less cached than new": [(23, 24)],
    "a prompt of one token": [(0, 1)],
    "several requests": [(0, 19), (120, 3), (1, 30), (64, 1), (33, 33)],
}


# The values reach 4, where a step of bfloat16 is 1/64; seen: 9.5e-7 and 1/128.
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 1 / 64)])
@pytest.mark.parametrize("key_heads", [1, 2, 4], ids="{} key heads of 4".format)
@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
def test_the_new_rows_are_those_of_the_stock_method_within_rounding(
    stock, requests, key_heads, dtype, most
):
    difference = largest_difference(stock, *batch(requests, 4, key_heads, dtype))
    assert difference <= most, f"largest difference {difference}"


@settings(max_examples=40, deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(0, 150), st.integers(1, 60)), min_size=1, max_size=4),
    heads=st.sampled_from([(4, 4), (4, 2), (6, 2), (7, 1)]),
    seed=st.integers(0, 2**31),
)
def test_random_batches_give_what_the_stock_method_gives(stock, requests, heads, seed):
    assert largest_difference(stock, *batch(requests, *heads, seed=seed)) <= 2e-6


def test_a_cache_of_another_precision_is_read_as_the_stock_method_reads_it(stock):
    tensors, options = batch([(30, 5), (0, 9)], dtype=torch.float32, cache=torch.bfloat16)
    assert largest_difference(stock, tensors, options) <= 2e-6


def test_without_a_scale_torchs_own_is_taken(stock):
    tensors, options = batch([(30, 5), (3, 9)])
    assert largest_difference(stock, tensors, {**options, "scaling": None}) <= 2e-6


OTHER_CALLS = {
    "not causal": {"causal": False},
    "cross attention": {"is_cross_attn": True},
    "a sliding window": {"sliding_window_size": 8},
    "a window of one token": {"sliding_window_size": 0},
}


@pytest.mark.parametrize("facts", OTHER_CALLS.values(), ids=OTHER_CALLS)
def test_attention_of_another_kind_keeps_the_stock_method(facts):
    tensors, options = batch([(30, 5)])
    assert falls_back(tensors, None, {**options, **facts})


def test_a_model_with_an_encoder_keeps_the_stock_method():
    tensors, options = batch([(30, 5)])
    assert falls_back(tensors, torch.tensor([4]), options)


@pytest.mark.parametrize("window", [None, -1])
def test_no_window_is_no_reason_to_fall_back(window):
    tensors, options = batch([(30, 5)])
    options["sliding_window_size"] = window
    cached_prefix.new_rows(refuse)(None, *tensors, None, **options)


def falls_back(tensors, encoder_lens, options):
    """Whether the stock method gets the call, with every argument as it was given."""
    call = (None, *tensors, encoder_lens)

    def stock(*args, **others):
        return others == options and all(a is b for a, b in zip(args, call, strict=True))

    return cached_prefix.new_rows(stock)(*call, **options)


def test_sglang_calls_the_method_as_we_expect(cls, monkeypatch):
    """Through `forward_extend`, as a layer does, with the key and value of the new tokens."""
    (query, _, k, v, table, rows, lengths, cached, new), _ = batch([(20, 3), (0, 5)], 4, 2)
    kv = SimpleNamespace(
        set_kv_buffer=lambda *_: None,
        get_key_buffer=[k].__getitem__,
        get_value_buffer=[v].__getitem__,
    )
    runner = SimpleNamespace(
        device="cpu", req_to_token_pool=SimpleNamespace(req_to_token=table), token_to_kv_pool=kv
    )
    sizes = {"qk_head_dim": HEAD_SIZE, "v_head_dim": HEAD_SIZE, "sliding_window_size": -1}
    heads = {"tp_q_head_num": 4, "tp_k_head_num": 2, "is_cross_attention": False}
    layer = SimpleNamespace(**sizes, **heads, attn_type="decoder", layer_id=0, scaling=0.3)
    facts = {"seq_lens": lengths, "extend_prefix_lens": cached, "extend_seq_lens": new}
    forward = SimpleNamespace(**facts, req_pool_indices=rows, encoder_lens=None, out_cache_loc=None)

    def run(extend):
        monkeypatch.setattr(cls, "_run_sdpa_forward_extend", extend)
        return cls(runner).forward_extend(query.flatten(1), k, v, layer, forward)

    unpatched = run(inspect.unwrap(cls._run_sdpa_forward_extend))
    torch.testing.assert_close(run(cached_prefix.new_rows(refuse)), unpatched)


def test_a_loaded_model_replaces_the_method_once(cls, stock, monkeypatch):
    from sgleval.runtime.cpu_platform.platform import TorchCpuPlatform

    monkeypatch.setattr(cls, "_run_sdpa_forward_extend", stock)
    TorchCpuPlatform().post_load_model(torch.nn.Identity())
    replaced = cls._run_sdpa_forward_extend
    TorchCpuPlatform().post_load_model(torch.nn.Identity())
    assert cls._run_sdpa_forward_extend is replaced
    assert replaced.__wrapped__ is stock
