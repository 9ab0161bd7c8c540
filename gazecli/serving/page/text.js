// The text: words in the colour of the region they were written under, each with where the heads looked.

import { colourOf } from "./stage.js";

const MOST_PARAGRAPHS = 20;
const SENTENCE = /^.*?[.!?。!?]["')\]\u201d\u2019]*(?=\s|$)/s;

const decoded = (cells) => Uint8Array.from(atob(cells), (letter) => letter.charCodeAt(0));

export class Text {
  // `light(cells)` and `dim()` show where the heads looked at the word that is chosen.
  constructor({ light, dim }) {
    this.light = light;
    this.dim = dim;
    this.node = document.getElementById("text");
    this.spoken = document.getElementById("spoken");
    this.cells = new WeakMap();
    this.chosen = null;
    this.clear();
    this.node.addEventListener("pointerover", (event) => this.choose(event.target.closest?.(".word") ?? null));
    this.node.addEventListener("pointerleave", () => this.choose(null));
    this.node.addEventListener("blur", () => this.choose(null));
    this.node.addEventListener("keydown", (event) => this.step(event));
  }

  clear() {
    this.node.replaceChildren();
    this.paragraph = this.word = null;
    this.region = null;
    this.unspoken = "";
    this.choose(null);
  }

  begin() {
    this.paragraph = document.createElement("p");
    this.node.append(this.paragraph);
    while (this.node.children.length > MOST_PARAGRAPHS) this.node.firstChild.remove();
    this.word = null;
    this.region = null;
    this.unspoken = "";
  }

  add({ text, region, cells, aim }) {
    if (this.paragraph === null) this.begin();
    if (region !== this.region) this.turn(region, aim, text);
    for (const part of text.split(/(?<=\S)(?=\s)/)) {
      if (this.word === null || /^\s/.test(part)) this.newWord(part, region);
      else this.word.textContent += part;
    }
    if (cells && this.word !== null) {
      const before = this.cells.get(this.word);
      const now = decoded(cells);
      this.cells.set(this.word, before ? now.map((cell, place) => Math.max(cell, before[place])) : now);
    }
    this.speak(text);
    this.node.scrollTop = this.node.scrollHeight;
  }

  turn(region, aim, text) {
    this.region = region;
    this.word = null;
    if (region === undefined) return;
    const mark = document.createElement("sup");
    mark.className = colourOf(region);
    mark.textContent = aim?.startsWith("circle") ? "\u25ce" : region;
    mark.title = aim?.startsWith("circle") ? "the spotlight" : `panel ${region}`;
    this.paragraph.append(/^\s/.test(text) ? " " : "", mark);
  }

  newWord(part, region) {
    const word = part.trimStart();
    const last = this.paragraph.lastChild;
    if (last && last.nodeName !== "SUP" && word !== part) this.paragraph.append(" ");
    this.word = document.createElement("span");
    this.word.className = region === undefined ? "word" : `word ${colourOf(region)}`;
    this.word.textContent = word;
    this.paragraph.append(this.word);
  }

  // Screen readers hear whole sentences.
  speak(text) {
    this.unspoken += text;
    for (let found; (found = SENTENCE.exec(this.unspoken)); ) {
      this.say(found[0].trim());
      this.unspoken = this.unspoken.slice(found[0].length);
    }
  }

  finish(rest) {
    if (rest) this.add({ text: rest, region: this.region ?? undefined });
    if (this.unspoken.trim()) this.say(this.unspoken.trim());
    this.unspoken = "";
  }

  say(sentence) {
    this.spoken.append(Object.assign(document.createElement("p"), { textContent: sentence }));
    while (this.spoken.children.length > 5) this.spoken.firstChild.remove();
  }

  choose(word) {
    if (word === this.chosen) return;
    this.chosen?.classList.remove("chosen");
    this.chosen = word;
    const cells = word && this.cells.get(word);
    if (cells) {
      word.classList.add("chosen");
      this.light(cells);
    } else {
      this.dim();
    }
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const words = [...this.node.querySelectorAll(".word")];
    const place = words.indexOf(this.chosen);
    const next = words[place < 0 ? words.length - 1 : Math.min(Math.max(place + by, 0), words.length - 1)];
    if (!next) return;
    this.choose(next);
    next.scrollIntoView({ block: "nearest" });
  }
}
