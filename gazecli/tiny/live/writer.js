// A text about one picture, token by token, greedy: the loop of `gaze switch`, whose target may change before
// every token.

import { LanguageModel } from "./language.js";
import { Tokenizer } from "./tokenizer.js";
import { VisionTower } from "./vision.js";

const SENTENCE_END = /[.!?。!?]["')\]\u201d\u2019]*\s*$/;

export class Model {
  // checkpoint: {config, pictures, tokenizer, template, heads, tensors: [name, shape]…}. bytes: all tensors
  // in float16, one after the other.
  constructor(checkpoint, bytes) {
    const weights = tensorsOf(checkpoint.tensors, bytes);
    this.checkpoint = checkpoint;
    this.config = checkpoint.config;
    this.tokenizer = new Tokenizer(checkpoint.tokenizer);
    this.vision = new VisionTower(weights, this.config.vision_config, checkpoint.pictures);
    this.language = new LanguageModel(weights, this.config.text_config);
  }

  // The prompt's ids, one placeholder for each image token.
  prompt(question, imageTokens) {
    const [before, after] = this.checkpoint.template;
    const first = this.tokenizer.encode(before);
    const image = Array(imageTokens).fill(this.config.image_token_id);
    const rest = this.tokenizer.encode(after.replace("{question}", () => question));
    return { ids: [...first, ...image, ...rest], start: first.length };
  }
}

export class Writer {
  // look: what the vision tower made of the picture. panels: how many, side by side. Heads are [layer, head]
  // pairs: the look of `watched` is read, `heads`, which may be none, are steered. room: most tokens.
  constructor(model, look, panels, question, { watched, heads, strength, room, observe }) {
    this.model = model;
    this.look = look;
    this.panels = panels;
    this.count = look.rows * look.columns;
    const { ids, start } = model.prompt(question, this.count);
    this.ids = ids;
    this.start = start;
    this.watched = { heads: byLayer(watched), image: { start, count: this.count }, count: watched.length };
    this.steering = { heads: byLayer(heads), strength };
    this.observe = observe;
    this.cache = model.language.emptyCache(ids.length + room);
    this.written = [];
  }

  // Which panel owns each image token, from 0: those whose middle lies in it.
  owner(token) {
    return Math.floor((((token % this.look.columns) + 0.5) * this.panels) / this.look.columns);
  }

  // +strength on the panel's image tokens, -strength on the others; null for no panel.
  bias(panel) {
    if (panel === null || !this.steering.heads.size) return null;
    const keys = new Float32Array(this.ids.length);
    for (let token = 0; token < this.count; token++)
      keys[this.start + token] = this.owner(token) === panel ? this.steering.strength : -this.steering.strength;
    return { heads: this.steering.heads, keys };
  }

  // Writes one token with the heads on `panel` (from 0, or null): {token, ended, look, shares}.
  // `look` is a share an image token, `shares` the same a panel. Without `mayEnd` the end token is held back.
  next(panel, mayEnd) {
    const { language, config } = this.model;
    const width = config.text_config.hidden_size;
    const last = this.written.at(-1);
    const rows = this.cache.length ? [last] : this.ids;
    const x = new Float32Array(rows.length * width);
    rows.forEach((id, row) => {
      const image = this.cache.length ? -1 : row - this.start;
      const inside = image >= 0 && image < this.count;
      x.set(inside ? this.look.tokens.subarray(image * width, (image + 1) * width) : language.embed(id), row * width);
    });
    const positions = rows.map((_, row) => this.position(this.cache.length + row));
    const { logits, look } = language.forward(
      x, positions, this.cache, this.bias(panel), this.watched, this.observe,
    );
    const end = config.text_config.eos_token_id;
    if (!mayEnd) logits[end] = -Infinity;
    let token = 0;
    for (let id = 1; id < logits.length; id++) if (logits[id] > logits[token]) token = id;
    const shares = new Float64Array(this.panels);
    look.forEach((share, place) => (shares[this.owner(place)] += share));
    const ended = token === end;
    if (!ended) this.written.push(token);
    return { token, ended, look, shares };
  }

  // [time, row, column]: text counts on, the picture's tokens count from where it begins.
  position(place) {
    const image = place - this.start;
    if (image < 0) return [place, place, place];
    const { rows, columns } = this.look;
    if (image < this.count)
      return [this.start, this.start + Math.floor(image / columns), this.start + (image % columns)];
    const later = place - this.count + Math.max(rows, columns);
    return [later, later, later];
  }

  text(from = 0) {
    return this.model.tokenizer.decode(this.written.slice(from));
  }
}

export const endsSentence = (text) => SENTENCE_END.test(text);

function byLayer(heads) {
  const layers = new Map();
  for (const [layer, head] of heads) layers.set(layer, (layers.get(layer) ?? new Set()).add(head));
  return layers;
}

function tensorsOf(tensors, bytes) {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const floats = Float32Array.from({ length: 1 << 16 }, (_, bits) => fromHalf(bits));
  const weights = {};
  let start = 0;
  for (const [name, shape] of tensors) {
    const data = new Float32Array(shape.reduce((one, other) => one * other, 1));
    for (let i = 0; i < data.length; i++) data[i] = floats[halves[start + i]];
    weights[name] = { shape, data };
    start += data.length;
  }
  return weights;
}

// Exact: every float16 is a float32. No weight is infinite.
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
