// The vision tower of Qwen2-VL: a picture becomes image tokens.

import { addTo, frequencies, gelu, layerNorm, linear, quickGelu, rotate, softmax } from "./numbers.js";
import { resize } from "./resize.js";

const EPS = 1e-6;

export class VisionTower {
  // weights: name -> {shape, data}. config: vision_config. pictures: the settings of the picture processor.
  constructor(weights, config, pictures) {
    this.config = config;
    this.pictures = pictures;
    this.weights = (name) => weights[`visual.${name}`];
    this.embedding = bothFrames(this.weights("patch_embed.proj.weight"));
  }

  // {width, height, rgb: bytes} -> {tokens: (N, hidden), rows, columns}, N = rows * columns.
  // `observe` is called with the name and the values of each block's output.
  look(picture, observe = () => {}) {
    const { embed_dim: width, num_heads: heads, depth, spatial_merge_size: merge } = this.config;
    const { patches, rows, columns } = this.patches(picture);
    const count = rows * columns;
    const angles = this.angles(rows, columns);
    observe("patches", patches);
    let x = linear(patches, count, this.embedding);
    for (let block = 0; block < depth; block++) {
      const part = (name) => this.weights(`blocks.${block}.${name}`);
      const plain = layerNorm(x, part("norm1.weight"), part("norm1.bias"), EPS);
      const qkv = linear(plain, count, part("attn.qkv.weight"), part("attn.qkv.bias"));
      const seen = attend(qkv, count, heads, width / heads, angles);
      addTo(x, linear(seen, count, part("attn.proj.weight"), part("attn.proj.bias")));
      const again = layerNorm(x, part("norm2.weight"), part("norm2.bias"), EPS);
      const inner = linear(again, count, part("mlp.fc1.weight"), part("mlp.fc1.bias")).map(quickGelu);
      addTo(x, linear(inner, count, part("mlp.fc2.weight"), part("mlp.fc2.bias")));
      observe(`vision ${block}`, x);
    }
    x = layerNorm(x, this.weights("merger.ln_q.weight"), this.weights("merger.ln_q.bias"), EPS);
    const merged = count / merge ** 2;
    const inner = linear(x, merged, this.weights("merger.mlp.0.weight"), this.weights("merger.mlp.0.bias"));
    const tokens = linear(
      inner.map(gelu), merged, this.weights("merger.mlp.2.weight"), this.weights("merger.mlp.2.bias"),
    );
    observe("image tokens", tokens);
    return { tokens, rows: rows / merge, columns: columns / merge };
  }

  // The picture at the model's size, cut into patches: (rows * columns, 3 * patch * patch), four neighbours
  // that become one image token one after the other.
  patches(picture) {
    const { patch_size: size, spatial_merge_size: merge } = this.config;
    const { size: bounds, image_mean: mean, image_std: std, rescale_factor: scale } = this.pictures;
    const [width, height] = fittingSize(picture, size * merge, bounds.shortest_edge, bounds.longest_edge);
    const rgb = resize(picture, width, height);
    const values = mean.map((_, channel) =>
      Float32Array.from({ length: 256 }, (_, byte) => (Math.fround(byte * scale) - mean[channel]) / std[channel]),
    );
    const rows = height / size, columns = width / size;
    const patches = new Float32Array(rows * columns * 3 * size * size);
    this.inOrder(rows, columns, (row, column, place) => {
      let at = place * 3 * size * size;
      for (let channel = 0; channel < 3; channel++)
        for (let y = 0; y < size; y++)
          for (let x = 0; x < size; x++)
            patches[at++] = values[channel][rgb[((row * size + y) * width + column * size + x) * 3 + channel]];
    });
    return { patches, rows, columns };
  }

  // Half of a head's features turn with the patch's row, half with its column.
  angles(rows, columns) {
    const half = this.config.embed_dim / this.config.num_heads / 2;
    const speed = frequencies(this.config.rope_parameters.rope_theta, half);
    const angles = new Float32Array(rows * columns * half);
    this.inOrder(rows, columns, (row, column, place) => {
      for (let d = 0; d < half / 2; d++) {
        angles[place * half + d] = row * speed[d];
        angles[place * half + half / 2 + d] = column * speed[d];
      }
    });
    return angles;
  }

  inOrder(rows, columns, visit) {
    const merge = this.config.spatial_merge_size;
    let place = 0;
    for (let top = 0; top < rows; top += merge)
      for (let left = 0; left < columns; left += merge)
        for (let y = 0; y < merge; y++)
          for (let x = 0; x < merge; x++) visit(top + y, left + x, place++);
  }
}

// A still picture is a film of two equal frames: the weights of both are added up beforehand.
function bothFrames({ shape: [out, channels, frames, high, wide], data }) {
  const area = high * wide;
  const sum = new Float32Array(out * channels * area);
  for (let filter = 0; filter < out * channels; filter++)
    for (let frame = 0; frame < frames; frame++)
      for (let i = 0; i < area; i++) sum[filter * area + i] += data[(filter * frames + frame) * area + i];
  return { shape: [out, channels * area], data: sum };
}

// Full attention of `count` patches; qkv: (count, 3, heads, size).
function attend(qkv, count, heads, size, angles) {
  const width = heads * size;
  const part = (which) => {
    const out = new Float32Array(count * width);
    for (let i = 0; i < count; i++)
      out.set(qkv.subarray((3 * i + which) * width, (3 * i + which + 1) * width), i * width);
    return out;
  };
  const [query, key, value] = [part(0), part(1), part(2)];
  rotate(query, heads, size, angles);
  rotate(key, heads, size, angles);
  const out = new Float32Array(count * width);
  const scores = new Float64Array(count);
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < count; i++) {
      const from = i * width + head * size;
      for (let j = 0; j < count; j++) {
        let sum = 0;
        for (let d = 0; d < size; d++) sum += query[from + d] * key[j * width + head * size + d];
        scores[j] = sum / Math.sqrt(size);
      }
      softmax(scores, count);
      for (let d = 0; d < size; d++) {
        let sum = 0;
        for (let j = 0; j < count; j++) sum += scores[j] * value[j * width + head * size + d];
        out[from + d] = sum;
      }
    }
  return out;
}

// The size the processor gives a picture: multiples of `factor`, an area within bounds, much the same shape.
function fittingSize({ width, height }, factor, least, most) {
  const even = (number) => (Math.abs(number % 1) === 0.5 ? 2 * Math.round(number / 2) : Math.round(number));
  let high = even(height / factor) * factor, wide = even(width / factor) * factor;
  if (high * wide > most) {
    const beta = Math.sqrt((height * width) / most);
    high = Math.max(factor, Math.floor(height / beta / factor) * factor);
    wide = Math.max(factor, Math.floor(width / beta / factor) * factor);
  } else if (high * wide < least) {
    const beta = Math.sqrt(least / (height * width));
    high = Math.ceil((height * beta) / factor) * factor;
    wide = Math.ceil((width * beta) / factor) * factor;
  }
  return [wide, high];
}
