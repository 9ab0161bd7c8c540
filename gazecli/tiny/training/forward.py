"""The forward pass of training: many equal pictures at once, many questions behind each.

A shortcut to the stock model's own result, which the tests hold it to.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers import Qwen2VLForConditionalGeneration
from transformers.vision_utils import get_vision_position_ids

from gazecli.tiny.training.batches import IGNORED, Batch


def encode_pictures(
    model: Qwen2VLForConditionalGeneration, patches: torch.Tensor, grid: tuple[int, int]
) -> torch.Tensor:
    """The vision tower over equal-size pictures in one batch: (B, patches, 588) -> (B, tokens, hidden).

    The stock tower takes one picture after another; a test holds both to the same result.
    """
    visual = model.model.visual
    batch, count, _ = patches.shape
    kernel = visual.patch_embed.proj.weight  # (D, 3, 2, 14, 14): both frames are the same picture
    hidden = functional.linear(patches, kernel.sum(2).flatten(1))
    positions = get_vision_position_ids(torch.tensor([[1, *grid]]), visual.spatial_merge_size)
    cos, sin = visual.rotary_pos_emb(hidden, positions)
    cos, sin = cos[:, None, :], sin[:, None, :]
    for block in visual.blocks:
        attention = block.attn
        mixed = attention.qkv(block.norm1(hidden)).view(batch, count, 3, attention.num_heads, -1)
        query, key, value = mixed.unbind(2)  # (B, patches, heads, d)
        query, key = (part * cos + _rotate_half(part) * sin for part in (query, key))
        seen = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        )
        hidden = hidden + attention.proj(seen.transpose(1, 2).reshape(batch, count, -1))
        hidden = hidden + block.mlp(block.norm2(hidden))
    merged: torch.Tensor = visual.merger(hidden.view(batch * count, -1))
    return merged.view(batch, count // 4, -1)


def _rotate_half(part: torch.Tensor) -> torch.Tensor:
    low, high = part.chunk(2, -1)
    return torch.cat((-high, low), -1)


def tree_mask(branch: torch.Tensor) -> torch.Tensor:
    """(B, L) branch numbers -> (B, 1, L, L): what each token may attend to."""
    length = branch.shape[1]
    same = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return (same & causal)[:, None]


def answer_states(model: Qwen2VLForConditionalGeneration, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the labelled positions, (answers, hidden), and picture tokens, (B, tokens, hidden)."""
    language = model.model.language_model
    embedded = language.embed_tokens(batch.tokens)
    pictures = encode_pictures(model, batch.patches, batch.grid)
    is_picture = batch.tokens == model.config.image_token_id
    embedded = embedded.masked_scatter(is_picture[..., None], pictures)
    hidden = language(
        inputs_embeds=embedded,
        attention_mask=tree_mask(batch.branch),
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    return hidden[batch.labels != IGNORED], pictures
