// What runs beside the page, so that it stays smooth: the model, the strips, and the text that follows the aim.

import { StripArtist } from "./strips.js";
import { Model, Writer, endsSentence } from "./writer.js";

const SENTENCES = 6; // of one narration; then another begins
const LONGEST = 24; // tokens of a sentence; one that goes on is given up, and its text with it
const ROOM = SENTENCES * LONGEST;

// Does what the messages of a page say; `post` takes what is to be told to it.
export class Studio {
  constructor(checkpoint, bytes, post) {
    this.checkpoint = checkpoint;
    this.model = new Model(checkpoint, bytes);
    this.artist = new StripArtist(checkpoint.drawings);
    this.post = post;
    this.timer = 0;
  }

  // Draws strip number `seed` and looks at it.
  strip({ seed }) {
    this.stop();
    this.drawn = this.artist.draw(seed);
    this.look = this.model.vision.look(this.drawn.strip);
    this.writer = null;
    return this.drawn;
  }

  // How texts are written from now on: {question, heads, strength, narrates, pause: least milliseconds a token}.
  settle({ settings }) {
    this.stop();
    this.settings = settings;
    this.writer = null;
  }

  // The one aim, a panel from 0; it is read before every token. A text that rests goes on.
  point({ panel }) {
    this.aim = panel;
    if (!this.settings.narrates) this.writer = null;
    this.timer ||= setTimeout(() => this.step(), 0);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
  }

  // Writes one token and comes again, until the sentence is done.
  step() {
    const began = performance.now();
    const { narrates, pause } = this.settings;
    const fresh = !this.writer;
    if (fresh) {
      this.writer = this.write(this.settings, ROOM);
      this.sentences = this.start = 0;
    }
    const writer = this.writer;
    const before = writer.text().length;
    const { ended, look, shares } = writer.next(this.aim, !narrates);
    const sentence = writer.text(this.start);
    const over = ended || writer.written.length - this.start === LONGEST;
    const done = over || (narrates && endsSentence(sentence));
    const took = performance.now() - began;
    const piece = writer.text().slice(before);
    const told = done ? sentence.trim() : null;
    this.post({ kind: "token", fresh, piece, panel: this.aim, look, shares, took, sentence: told });
    this.timer = 0;
    if (done) {
      this.start = writer.written.length;
      if (over || ++this.sentences === SENTENCES) this.writer = null;
    } else this.timer = setTimeout(() => this.step(), Math.max(0, pause - took));
  }

  write({ question, heads, strength }, room, observe) {
    const { panels } = this.checkpoint.drawings;
    const { gaze: watched } = this.checkpoint.heads;
    return new Writer(this.model, this.look, panels, question, { watched, heads, strength, room, observe });
  }

  // A whole text at once: token after token with the heads on the panels that `targets` names, one a token and
  // the last for all that follow. No end token before `least` tokens, never more than `most`.
  text({ settings, targets, least, most }) {
    const writer = this.write(settings, most);
    const looks = [], times = [];
    for (let step = 0; step < most; step++) {
      const began = performance.now();
      const { ended, look } = writer.next(targets[Math.min(step, targets.length - 1)], step >= least);
      times.push(performance.now() - began);
      if (ended) break;
      looks.push(Array.from(look));
    }
    return { tokens: writer.written, text: writer.text(), looks, times };
  }

  // What each layer gives, up to and with the first logits: name -> values.
  layers({ settings, target }) {
    const found = {};
    const keep = (name, values) => (found[name] = Array.from(values));
    this.look = this.model.vision.look(this.drawn.strip, keep);
    this.write(settings, 1, keep).next(target, true);
    return found;
  }

  // What the tokenizer makes of texts.
  tokenize({ texts }) {
    const { tokenizer } = this.model;
    return texts.map((text) => ({ ids: tokenizer.encode(text), text: tokenizer.decode(tokenizer.encode(text)) }));
  }
}

// Inside a worker: the first message brings the model, each later one names what to do, and has an id to answer.
export function serve() {
  let studio = null;
  onmessage = ({ data }) => {
    if (data.kind === "open") {
      const letters = atob(data.weights);
      const bytes = new Uint8Array(letters.length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
      studio = new Studio(JSON.parse(data.checkpoint), bytes, (message) => postMessage(message));
    }
    postMessage({ id: data.id, answer: data.kind === "open" ? null : studio[data.kind](data) });
  };
}
