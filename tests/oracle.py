"""The paper's recipe written plainly: discovery and steering as one would do them by hand.

One full pass per question, no cache, every attention matrix written out. Only transformers is used, so that
nothing here can share a mistake with the package. Callers hand
over model inputs (batch of one) and the positions of image tokens.

Roles of the positions of a sequence, prompt of length n, image tokens at most up to m:

    0 ........ m | m+1 ........ n-1 | n ........
    picture and  | the question     | generated
    what precedes|                  | tokens
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.fixtures.written_attention import (
    Record,
    attention_implementation,
    attention_layers,
    biased_attention,
    text_config,
)

Mode = Literal["boost-suppress", "suppress-image", "suppress-all", "max-suppress-all", "blind"]
Scope = Literal["full", "question", "answer", "decode"]
Inputs = Mapping[str, Any]


def without_labels(inputs: Inputs) -> dict[str, Any]:
    """The inputs less the training labels that PaliGemma's processor adds."""
    return {name: value for name, value in inputs.items() if name != "labels"}


def attention_rows(model: nn.Module, inputs: Inputs) -> Tensor:
    """Post-softmax attention of the last prompt token, from transformers' own eager attention.

    One forward pass over the whole prompt. Returns float32 (layers, heads, L); the layers of hybrids that
    have no softmax attention are NaN. `inputs` holds one unpadded sequence. The weights are those that
    `output_attentions` would return, read where they are made.
    """
    config = text_config(model)
    length = inputs["input_ids"].shape[1]
    rows = torch.full((config.num_hidden_layers, config.num_attention_heads, length), float("nan"))
    hooks = []

    def keep(layer: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any, output: tuple[Tensor, Tensor]) -> None:
            rows[layer] = output[1][0, :, -1, :].float().cpu()  # (1, H, L, L) -> (H, L)

        return hook

    with attention_implementation(model, "eager"), torch.no_grad():
        try:
            hooks = [m.register_forward_hook(keep(i)) for i, m in attention_layers(model).items()]
            model(**without_labels(inputs), use_cache=False)
        finally:
            for handle in hooks:
                handle.remove()
    return rows


def discover(
    model: nn.Module, strips: Iterable[Sequence[tuple[Inputs, Sequence[Sequence[int]]]]]
) -> NDArray[np.float64]:
    """Asked panel x attended panel: the matrices from which both scores of a head are derived.

    `strips` gives for each strip its P questions, each as (inputs, token positions of the P regions):

        A[l, h, k, j] = mean over strips of  sum of a(l, h)[t] over the tokens t of region j,

    where a is the last prompt token's attention under question k. Returns float64 (layers, heads, P, P).
    """
    total: NDArray[np.float64] | None = None
    count = 0
    for questions in strips:
        matrices = []
        for inputs, regions in questions:
            rows = attention_rows(model, inputs).double()
            matrices.append(torch.stack([rows[..., list(tokens)].sum(-1) for tokens in regions], dim=-1))
        strip = torch.stack(matrices, dim=-2).numpy()  # (layers, heads, P asked, P attended)
        total = strip if total is None else total + strip
        count += 1
    assert total is not None, "no strips"
    return total / count


def raw_score(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """g = 1/P sum_k A[k, k], the paper's gaze score. (layers, heads, P, P) -> (layers, heads)."""
    return np.diagonal(matrices, axis1=-2, axis2=-1).mean(-1)


def key_bias(
    length: int,
    prompt: int,
    target: Sequence[int],
    others: Sequence[int],
    strength: float,
    mode: Mode,
) -> Tensor:
    """What each key's pre-softmax score is changed by, float64 (length,).

    boost-suppress    +d on the target's image tokens, -d on every other image token
    suppress-image    -d on every other image token
    suppress-all      that, and -d on the text of the prompt
    max-suppress-all  that, and -d on generated tokens
    blind             -10000 on the target's image tokens, and nothing else
    """
    bias = torch.zeros(length, dtype=torch.float64)
    if mode == "blind":
        bias[list(target)] = -10000.0
        return bias
    bias[list(others)] = -strength
    if mode == "boost-suppress":
        bias[list(target)] = strength
    if mode in ("suppress-all", "max-suppress-all"):
        images = {*target, *others}
        bias[[t for t in range(prompt) if t not in images]] = -strength
    if mode == "max-suppress-all":
        bias[prompt:] = -strength
    return bias


def steered_queries(
    length: int, prompt: int, target: Sequence[int], others: Sequence[int], scope: Scope
) -> Tensor:
    """Which query positions the bias acts on, bool (length,).

    full: all · question: all after the last image token · answer: the last prompt token and generated ones ·
    decode: generated ones only.
    """
    first = {
        "full": 0,
        "question": max([*target, *others]) + 1,
        "answer": prompt - 1,
        "decode": prompt,
    }[scope]
    return torch.arange(length) >= first


def dense_bias(
    length: int,
    prompt: int,
    target: Sequence[int],
    others: Sequence[int],
    strength: float,
    mode: Mode,
    scope: Scope,
) -> Tensor:
    """The L x L matrix added to the scores of a chosen head: key bias in the rows the scope selects."""
    keys = key_bias(length, prompt, target, others, strength, mode)
    queries = steered_queries(length, prompt, target, others, scope)
    return queries[:, None].double() * keys[None, :]


def continued(model: nn.Module, inputs: Inputs, continuation: Sequence[int]) -> dict[str, Any]:
    """The prompt with generated tokens behind it, as inputs of one full pass."""
    extended = without_labels(inputs)
    ids = inputs["input_ids"]
    new = torch.tensor([list(continuation)], dtype=ids.dtype, device=ids.device)
    # PaliGemma's type 0 is the bidirectional prefix, 1 what is written after it; elsewhere 0 is text.
    text_type = 1 if model.config.model_type == "paligemma" else 0
    extended["input_ids"] = torch.cat([ids, new], dim=1)
    for name, filler in (("attention_mask", 1), ("token_type_ids", text_type), ("mm_token_type_ids", 0)):
        if extended.get(name) is not None:
            row = extended[name]
            extended[name] = torch.cat([row, row.new_full((1, len(continuation)), filler)], dim=1)
    return extended


def steered_logits(
    model: nn.Module,
    inputs: Inputs,
    heads: Iterable[tuple[int, int]],
    target: Sequence[int],
    others: Sequence[int],
    strength: float,
    mode: Mode = "boost-suppress",
    scope: Scope = "full",
    continuation: Sequence[int] = (),
    record: Record | None = None,
) -> Tensor:
    """Logits (n + T, vocabulary) of prompt and given continuation, steered, in one full pass without cache.

    `target` and `others` are positions in the prompt and together all image tokens (those that look at
    nothing, such as newline tokens, among the others). Row n - 1 + t predicts generated token t.
    """
    everything = continued(model, inputs, continuation)
    prompt, length = inputs["input_ids"].shape[1], everything["input_ids"].shape[1]
    bias = dense_bias(length, prompt, target, others, strength, mode, scope)
    with biased_attention(model, heads, bias, record), torch.no_grad():
        return model(**everything, use_cache=False).logits[0]


def steered_generate(
    model: nn.Module,
    inputs: Inputs,
    heads: Sequence[tuple[int, int]],
    target: Sequence[int],
    others: Sequence[int],
    strength: float,
    mode: Mode = "boost-suppress",
    scope: Scope = "full",
    max_new_tokens: int = 8,
    stop: Iterable[int] = (),
) -> list[int]:
    """Greedy generation, everything computed anew for every token; the stop token is included."""
    written: list[int] = []
    endings = set(stop)
    while len(written) < max_new_tokens and not (written and written[-1] in endings):
        logits = steered_logits(model, inputs, heads, target, others, strength, mode, scope, written)
        written.append(int(logits[-1].argmax()))
    return written


def steered_rows(
    model: nn.Module,
    inputs: Inputs,
    heads: Iterable[tuple[int, int]],
    target: Sequence[int],
    others: Sequence[int],
    strength: float,
    mode: Mode = "boost-suppress",
    scope: Scope = "full",
    continuation: Sequence[int] = (),
    value_weighted: bool = False,
) -> Tensor:
    """Attention of the last prompt token and of each continuation token under steering.

    Returns float64 (layers, heads, T + 1, n + T). `value_weighted` multiplies each weight with the norm of
    the key's value vector (the tracking of the paper).
    """
    config = text_config(model)
    prompt = inputs["input_ids"].shape[1]
    length = prompt + len(continuation)
    shape = (config.num_hidden_layers, config.num_attention_heads, length - prompt + 1, length)
    rows = torch.full(shape, float("nan"), dtype=torch.float64)

    def record(layer: int, weights: Tensor, values: Tensor) -> None:
        norms = values.norm(dim=-1)[:, None, :] if value_weighted else 1.0
        rows[layer] = (weights[:, prompt - 1 :] * norms).cpu()

    steered_logits(model, inputs, heads, target, others, strength, mode, scope, continuation, record)
    return rows
