"""The CPU platform's attention over cached tokens is SGLang's, for less."""

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
PROMPT, TOKEN = "_run_sdpa_forward_extend", "_run_sdpa_forward_decode"
OURS = {PROMPT: cached_prefix.new_rows, TOKEN: cached_prefix.next_row}


@pytest.fixture(scope="module")
def cls():
    """SGLang's class; it warns while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend
    return TorchNativeAttnBackend


@pytest.fixture(scope="module")
def stock(cls):
    """SGLang's two methods by their names, also where another test has replaced them."""
    return {name: inspect.unwrap(getattr(cls, name)) for name in OURS}


@pytest.fixture(
    scope="module",
    params=[(True, 0, 0), (False, 1 << 21, 16), (False, 0, 5)],
    ids=["torch's kernel", "one block", "blocks of five rows"],
)
def way(request):
    """Each way to attend to grouped heads: as with AMX, and without it in blocks."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(
            ["HAS_TILES", "BLOCK_BYTES", "FEWEST_ROWS"], request.param, strict=True
        ):
            patch.setattr(cached_prefix, name, value)
        yield


def refuse(*_args, **_others):
    pytest.fail("called although it should not be")


def batch(requests, heads=4, key_heads=4, dtype=torch.float32, cache=None, seed=0):
    """The arguments for a prompt of requests of these (cached, new) tokens, up to the encoder's.

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


def next_token(lengths, *shape, **others):
    """The arguments for the next token of requests with so many tokens, that one included."""
    tensors, options = batch([(length - 1, 1) for length in lengths], *shape, **others)
    return tensors[:7], options | {"causal": False}


def largest_difference(stock, name, tensors, options):
    query, _, *others = tensors
    theirs = stock[name](None, query, torch.full_like(query, 9.0), *others, None, **options)
    output = torch.full_like(query, 9.0)
    ours = OURS[name](refuse)(None, query, output, *others, None, **options)
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


# The values reach 3.3, where a step of bfloat16 is 1/64; seen: 6e-7 and 1/1024.
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 1 / 64)])
@pytest.mark.parametrize("key_heads", [1, 2, 4], ids="{} key heads of 4".format)
@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.usefixtures("way")
def test_the_new_rows_are_those_of_the_stock_method_within_rounding(
    stock, requests, key_heads, dtype, most
):
    difference = largest_difference(stock, PROMPT, *batch(requests, 4, key_heads, dtype))
    assert difference <= most, f"largest difference {difference}"


@pytest.mark.usefixtures("way")
@settings(max_examples=40, deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(0, 150), st.integers(1, 60)), min_size=1, max_size=4),
    heads=st.sampled_from([(4, 4), (4, 2), (6, 2), (7, 1)]),
    seed=st.integers(0, 2**31),
)
def test_random_batches_give_what_the_stock_method_gives(stock, requests, heads, seed):
    assert largest_difference(stock, PROMPT, *batch(requests, *heads, seed=seed)) <= 2e-6


# A key head's heads are rows of one product here, which adds up in another order.
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 1 / 64)])
@pytest.mark.parametrize("key_heads", [1, 2, 4], ids="{} key heads of 4".format)
@pytest.mark.parametrize("lengths", [[1], [2], [140], [150, 1, 37, 90]], ids=str)
def test_the_next_token_attends_as_in_the_stock_method(stock, lengths, key_heads, dtype, most):
    tensors, options = next_token(lengths, 4, key_heads, dtype)
    difference = largest_difference(stock, TOKEN, tensors, options)
    assert difference <= (most if key_heads < 4 else 0), f"largest difference {difference}"


@pytest.mark.parametrize(
    ("name", "call"), [(PROMPT, (batch, [(30, 5), (0, 9)])), (TOKEN, (next_token, [30, 1]))]
)
@pytest.mark.parametrize("cache", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_the_caches_precision_and_the_scale_are_taken_as_the_stock_method_takes_them(
    stock, name, call, cache, scale
):
    arguments, requests = call
    tensors, options = arguments(requests, cache=cache)
    options["scaling"] = scale
    assert largest_difference(stock, name, tensors, options) <= 2e-6


OTHER_KINDS = {
    "cross attention": {"is_cross_attn": True},
    "a sliding window": {"sliding_window_size": 8},
    "a window of one token": {"sliding_window_size": 0},
}


@pytest.mark.parametrize("facts", OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_attention_of_another_kind_keeps_the_stock_method(facts):
    tensors, options = batch([(30, 5)])
    assert falls_back(PROMPT, tensors, None, options | facts)
    tensors, options = next_token([30])
    assert falls_back(TOKEN, tensors, None, options | facts)


def test_a_prompt_that_is_not_causal_keeps_the_stock_method():
    tensors, options = batch([(30, 5)])
    assert falls_back(PROMPT, tensors, None, options | {"causal": False})
    del options["causal"]
    assert falls_back(PROMPT, tensors, None, options)


def test_a_next_token_that_torch_shall_mask_keeps_the_stock_method():
    tensors, options = next_token([30])
    assert falls_back(TOKEN, tensors, None, options | {"causal": True})


def test_a_model_with_an_encoder_keeps_the_stock_method():
    encoded = torch.tensor([4])
    tensors, options = batch([(30, 5)])
    assert falls_back(PROMPT, tensors, encoded, options)
    tensors, options = next_token([30])
    assert falls_back(TOKEN, tensors, encoded, options)


@pytest.mark.parametrize("window", [None, -1])
def test_no_window_is_no_reason_to_fall_back(window):
    tensors, options = batch([(30, 5)])
    cached_prefix.new_rows(refuse)(
        None, *tensors, None, **options | {"sliding_window_size": window}
    )
    tensors, options = next_token([30])
    cached_prefix.next_row(refuse)(
        None, *tensors, None, **options | {"sliding_window_size": window}
    )


def falls_back(name, tensors, encoder_lens, options):
    """Whether the stock method gets the call, with every argument as it was given."""
    call = (None, *tensors, encoder_lens)

    def stock(*args, **others):
        return others == options and all(a is b for a, b in zip(args, call, strict=True))

    return OURS[name](stock)(*call, **options)


@pytest.mark.parametrize(
    ("name", "layers_call", "requests"),
    [(PROMPT, "forward_extend", [(20, 3), (0, 5)]), (TOKEN, "forward_decode", [(20, 1), (6, 1)])],
)
def test_sglangs_layers_call_the_methods_as_we_expect(
    cls, stock, monkeypatch, name, layers_call, requests
):
    (query, _, k, v, table, rows, lengths, cached, new), _ = batch(requests, 4, 2)
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

    def attention_with(method):
        monkeypatch.setattr(cls, name, method)
        return getattr(cls(runner), layers_call)(query.flatten(1), k, v, layer, forward)

    torch.testing.assert_close(
        attention_with(OURS[name](refuse)), attention_with(stock[name]), rtol=0, atol=2e-6
    )


def test_a_loaded_model_replaces_the_methods_once(cls, stock, monkeypatch):
    from sgleval.runtime.cpu_platform.platform import TorchCpuPlatform

    for name in OURS:
        monkeypatch.setattr(cls, name, stock[name])
    TorchCpuPlatform().post_load_model(torch.nn.Identity())
    replaced = {name: getattr(cls, name) for name in OURS}
    TorchCpuPlatform().post_load_model(torch.nn.Identity())
    for name in OURS:
        assert getattr(cls, name) is replaced[name]
        assert replaced[name].__wrapped__ is stock[name]
