// The language model of Qwen2-VL: hidden states in, the next token's logits out. Chosen heads carry a bias on
// keys, and the look of chosen heads at the image tokens is read at the last row.

import { addTo, frequencies, linear, rmsNorm, rotate, silu, softmax } from "./numbers.js";

export class LanguageModel {
  // weights: name -> {shape, data}. config: text_config.
  constructor(weights, config) {
    this.config = config;
    this.weights = (name) => weights[`model.${name}`];
    this.embedding = this.weights("embed_tokens.weight");
    this.size = config.hidden_size / config.num_attention_heads;
    this.speed = frequencies(config.rope_parameters.rope_theta, this.size);
  }

  // What attention remembers of the tokens so far; room for `tokens`.
  emptyCache(tokens) {
    const width = this.config.num_key_value_heads * this.size;
    const room = () => new Float32Array(tokens * width);
    const layers = Array.from({ length: this.config.num_hidden_layers }, () => ({ key: room(), value: room() }));
    return { length: 0, tokens, layers };
  }

  embed(token) {
    const width = this.config.hidden_size;
    return this.embedding.data.subarray(token * width, (token + 1) * width);
  }

  // One pass. x: (rows, hidden), overwritten. positions: [time, row, column] of each row. bias: null, or
  // {heads: layer -> set of heads, keys: what is added on each key; keys beyond it get nothing}.
  // watched: {heads, image: {start, count}}, or null.
  // Gives logits of the last row, and `look`, the mean over the watched heads of their attention times the
  // norms of the value vectors, as shares of the image tokens.
  forward(x, positions, cache, bias, watched, observe = () => {}) {
    const rows = positions.length;
    const angles = this.angles(positions);
    const look = watched ? new Float64Array(watched.image.count) : null;
    for (let layer = 0; layer < cache.layers.length; layer++) {
      const part = (name) => this.weights(`layers.${layer}.${name}`);
      const plain = rmsNorm(x, part("input_layernorm.weight"), this.config.rms_norm_eps);
      const project = (name) =>
        linear(plain, rows, part(`self_attn.${name}.weight`), part(`self_attn.${name}.bias`));
      const query = project("q_proj"), key = project("k_proj");
      rotate(query, this.config.num_attention_heads, this.size, angles);
      rotate(key, this.config.num_key_value_heads, this.size, angles);
      const kept = cache.layers[layer];
      const width = key.length / rows;
      kept.key.set(key, cache.length * width);
      kept.value.set(project("v_proj"), cache.length * width);
      const seen = this.attend(query, rows, kept, cache.length, layer, bias, watched, look);
      addTo(x, linear(seen, rows, part("self_attn.o_proj.weight")));
      const again = rmsNorm(x, part("post_attention_layernorm.weight"), this.config.rms_norm_eps);
      const gate = linear(again, rows, part("mlp.gate_proj.weight"));
      const up = linear(again, rows, part("mlp.up_proj.weight"));
      for (let i = 0; i < gate.length; i++) gate[i] = silu(gate[i]) * up[i];
      addTo(x, linear(gate, rows, part("mlp.down_proj.weight")));
      observe(`language ${layer}`, x);
    }
    cache.length += rows;
    const last = rmsNorm(
      x.subarray(x.length - this.config.hidden_size), this.weights("norm.weight"), this.config.rms_norm_eps,
    );
    const logits = linear(last, 1, this.embedding);
    observe("logits", logits);
    return { logits, look };
  }

  // Causal attention; several query heads share a key head. query: (rows, heads, size).
  attend(query, rows, kept, before, layer, bias, watched, look) {
    const { num_attention_heads: heads, num_key_value_heads: groups } = this.config;
    const size = this.size, width = groups * size;
    const biased = bias?.heads.get(layer), read = watched?.heads.get(layer);
    const out = new Float32Array(rows * heads * size);
    const scores = new Float64Array(before + rows);
    for (let head = 0; head < heads; head++) {
      const shift = Math.floor((head * groups) / heads) * size;
      for (let row = 0; row < rows; row++) {
        const from = (row * heads + head) * size, count = before + row + 1;
        for (let j = 0; j < count; j++) {
          let sum = 0;
          for (let d = 0; d < size; d++) sum += query[from + d] * kept.key[j * width + shift + d];
          scores[j] = sum / Math.sqrt(size);
        }
        if (biased?.has(head))
          for (let j = 0; j < Math.min(count, bias.keys.length); j++) scores[j] += bias.keys[j];
        softmax(scores, count);
        for (let j = 0; j < count; j++)
          for (let d = 0; d < size; d++) out[from + d] += scores[j] * kept.value[j * width + shift + d];
        if (row === rows - 1 && read?.has(head)) addLook(look, scores, kept.value, width, shift, size, watched);
      }
    }
    return out;
  }

  // Of a head's pairs of features the first few turn with the time, the next with the row, the rest with the
  // column; in text all three are the token's place.
  angles(positions) {
    const sections = this.config.rope_parameters.mrope_section;
    const axis = sections.flatMap((length, number) => Array(length).fill(number));
    const angles = new Float32Array(positions.length * axis.length);
    positions.forEach((position, row) => {
      for (let d = 0; d < axis.length; d++) angles[row * axis.length + d] = position[axis[d]] * this.speed[d];
    });
    return angles;
  }
}

// One head's attention times the norms of the value vectors, as shares, added to the mean over `watched`.
function addLook(look, weights, value, width, shift, size, { image, count }) {
  const weighted = new Float64Array(image.count);
  let sum = 0;
  for (let i = 0; i < image.count; i++) {
    const start = (image.start + i) * width + shift;
    const norm = Math.hypot(...value.subarray(start, start + size));
    sum += weighted[i] = weights[image.start + i] * norm;
  }
  for (let i = 0; i < image.count; i++) look[i] += weighted[i] / Math.max(sum, 1e-12) / count;
}
