// The page: panels to point at, the text that follows, and what the gaze heads look at while it is written.

import { serve } from "./studio.js";

const STRENGTHS = [1, 2, 5, 10, 100, 10000];
const PACES = [250, 120, 60, 0]; // least milliseconds a token
const REST = 1600; // milliseconds until the veil lifts
const KEPT = 40; // sentences

class Page {
  constructor() {
    this.checkpoint = JSON.parse(element("checkpoint").textContent);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.controls = element("controls").elements;
    this.text = element("text");
    this.tally = {};
    this.looks = new WeakMap(); // token -> {look, shares}
    this.cells = { shown: null, wanted: null };
    this.draws = 0;
    this.costs = [];
    this.panels = this.buildPanels();
    this.setUpControls();
    this.listen();
    this.ask = studio(
      (message) => this.receive(message),
      (reason) => this.say(`The model has stopped: ${reason}. Load the page anew, or try another browser.`),
    );
    this.ask("open", { checkpoint: element("checkpoint").textContent, weights: element("weights").textContent });
    this.settle();
    this.show(1);
  }

  buildPanels() {
    return Array.from({ length: this.checkpoint.drawings.panels }, (_, place) => {
      const button = make("button", { type: "button", className: "panel", tabIndex: place ? -1 : 0 });
      button.style.setProperty("--region", `var(--region-${place + 1})`);
      button.setAttribute("aria-pressed", "false");
      const frame = make("span", { className: "frame" });
      const picture = make("canvas", { className: "picture" });
      const veil = make("canvas", { className: "veil" });
      const share = make("span", { className: "share" });
      const bar = make("i");
      const caption = make("small");
      frame.append(picture, veil, make("b", { textContent: place + 1 }));
      share.append(bar);
      button.append(frame, share, caption);
      element("strip").append(button);
      return { button, picture, veil, bar, caption };
    });
  }

  setUpControls() {
    const { count, strength, pace } = this.controls;
    const { counts, gaze } = this.checkpoint.heads;
    Object.assign(count, { max: counts.length - 1, value: counts.indexOf(gaze.length) });
    Object.assign(strength, { max: STRENGTHS.length - 1, value: STRENGTHS.indexOf(10) });
    Object.assign(pace, { max: PACES.length - 1, value: 1 });
  }

  listen() {
    const strip = element("strip");
    this.panels.forEach(({ button }, place) => {
      button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.point(place));
      button.addEventListener("click", () => (place !== this.aim || !this.sentence) && this.point(place));
    });
    // A finger stays with the panel it began on: what lies under it is asked for.
    const touch = ({ pointerType, clientX, clientY }) => {
      if (pointerType === "mouse") return;
      const under = document.elementFromPoint(clientX, clientY)?.closest(".panel");
      const place = this.panels.findIndex(({ button }) => button === under);
      if (place >= 0 && place !== this.aim) this.point(place);
    };
    strip.addEventListener("pointerdown", touch);
    strip.addEventListener("pointermove", touch);
    strip.addEventListener("pointerleave", () => (this.aim = null));
    strip.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const place = this.panels.findIndex(({ button }) => button === document.activeElement);
      this.reach((place + step + this.panels.length) % this.panels.length);
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const number = Number(event.key);
      if (number >= 1 && number <= this.panels.length) this.reach(number - 1);
      else if (event.key === "Escape") this.stop();
      else if (event.key.toLowerCase() === "n" && event.target.name !== "question") this.show(this.seed + 1);
    });
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    element("controls").addEventListener("input", () => this.settle());
    this.controls.another.addEventListener("click", () => this.show(this.seed + 1));
    this.controls.stop.addEventListener("click", () => this.stop());
    this.controls.clear.addEventListener("click", () => this.clear());
    this.text.addEventListener("pointerover", (event) => this.recall(event.target.closest(".token")));
    this.text.addEventListener("pointerleave", () => this.recall(null));
    this.text.addEventListener("blur", () => this.recall(null));
    this.text.addEventListener("keydown", (event) => this.walk(event));
  }

  // Tells the studio what the controls say; texts begin anew.
  settle() {
    const { heads, count, strength, pace, question, lit, drawn } = this.controls;
    const { counts, gaze, random, all } = this.checkpoint.heads;
    if (heads.value !== this.who && heads.value === "random") this.draws++;
    this.who = heads.value;
    const draws = random[count.value];
    const chosen = {
      gaze: gaze.slice(0, counts[count.value]), random: draws[this.draws % draws.length], all, nobody: [],
    }[this.who];
    const level = STRENGTHS[strength.value];
    const settings = {
      question: this.checkpoint.questions[question.value],
      narrates: question.value === "narrate",
      heads: chosen,
      strength: level,
      pause: PACES[pace.value],
    };
    const several = this.who === "gaze" || this.who === "random";
    count.disabled = !several;
    strength.disabled = this.who === "nobody";
    this.controls.countShown.value = `${chosen.length} of ${all.length}`;
    this.controls.strengthShown.value = level === 10000 ? "hard" : level;
    this.controls.paceShown.value = settings.pause ? `${Math.round(1000 / settings.pause)} a second` : "full";
    for (const name of ["count", "strength", "pace"])
      this.controls[name].setAttribute("aria-valuetext", this.controls[`${name}Shown`].value);
    document.body.classList.toggle("captions", drawn.checked);
    const same = JSON.stringify(settings);
    if (same !== this.settled) this.ask("settle", { settings });
    this.settled = same;
    if (!lit.checked) element("strip").classList.remove("lit");
  }

  async show(seed) {
    this.seed = seed;
    this.aim = null;
    const { panels, side, captions } = await this.ask("strip", { seed });
    if (seed !== this.seed) return;
    this.captions = captions;
    this.panels.forEach(({ button, picture, caption }, place) => {
      Object.assign(picture, { width: side, height: side });
      const pen = picture.getContext("2d");
      const image = pen.createImageData(side, side);
      for (let i = 0; i < side * side; i++) {
        for (let channel = 0; channel < 3; channel++) image.data[4 * i + channel] = panels[place][3 * i + channel];
        image.data[4 * i + 3] = 255;
      }
      pen.putImageData(image, 0, 0);
      caption.textContent = captions[place];
      button.setAttribute("aria-label", `Panel ${place + 1}`);
      button.setAttribute("aria-pressed", "false");
    });
    this.lift();
    this.clear();
    this.say(`Strip ${seed}, drawn just now.`);
    document.body.dataset.strip = seed;
  }

  clear() {
    const hint = "Point at a panel or touch it, slide along the strip, or press 1 to 6.";
    this.text.replaceChildren(make("p", { className: "hint", textContent: hint }));
    this.sentence = null;
  }

  point(place) {
    if (!this.captions) return;
    this.aim = place;
    this.panels.forEach(({ button }, other) => button.setAttribute("aria-pressed", String(other === place)));
    this.ask("point", { panel: place });
  }

  // With the keyboard: the panel also takes the focus.
  reach(place) {
    this.panels.forEach(({ button }, other) => (button.tabIndex = other === place ? 0 : -1));
    this.panels[place].button.focus();
    this.point(place);
  }

  stop() {
    this.ask("stop", {});
    this.aim = null;
    this.panels.forEach(({ button }) => button.setAttribute("aria-pressed", "false"));
    this.lift();
  }

  // One token has been written.
  receive({ fresh, piece, panel, look, shares, took, sentence }) {
    this.text.querySelector(".hint")?.remove();
    if (fresh || !this.sentence) {
      this.sentence = make("p", { className: fresh ? "first" : "" });
      this.sentence.setAttribute("role", "group");
      this.aims = new Set();
      this.text.append(this.sentence);
      while (this.text.children.length > KEPT) this.text.firstChild.remove();
    }
    this.aims.add(panel);
    if (piece) {
      const words = this.sentence.firstChild ? piece : piece.trimStart();
      const token = make("span", { className: "token", textContent: words });
      token.id = `token-${(this.tokens = (this.tokens ?? 0) + 1)}`;
      token.setAttribute("role", "option");
      token.style.setProperty("--region", `var(--region-${panel + 1})`);
      this.looks.set(token, { look, shares });
      this.sentence.append(token);
    }
    if (sentence !== null) this.finish(sentence, panel);
    this.text.scrollTop = this.text.scrollHeight;
    this.costs = [...this.costs.slice(-9), took];
    const cost = [...this.costs].sort((one, other) => one - other)[this.costs.length >> 1];
    if (!this.recalled) this.light(look, shares);
    const share = percent(shares[panel]);
    this.say(`Panel ${panel + 1} gets ${share} of the gaze heads\u2019 look.`, `${cost.toFixed(1)} ms a token`);
  }

  finish(sentence, panel) {
    element("spoken").textContent = sentence;
    if (this.aims.size === 1) {
      const right = sentence === this.captions[panel];
      const score = (this.tally[this.who] ??= { right: 0, all: 0 });
      score.all++;
      score.right += right;
      this.controls.heads.forEach((input) => {
        const known = this.tally[input.value];
        if (known) input.parentElement.querySelector("small").textContent = `${known.right} of ${known.all} exact`;
      });
      const mark = make("span", { className: "verdict", textContent: right ? "\u2713" : "\u2013" });
      mark.title = right ? `exactly what panel ${panel + 1} shows` : `not what panel ${panel + 1} shows`;
      this.sentence.append(mark);
    }
    this.sentence = null;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.lift(), REST);
  }

  // Bright where the heads look, veiled elsewhere; the veil goes softly from token to token.
  light(look, shares) {
    clearTimeout(this.resting);
    shares.forEach((share, place) => (this.panels[place].bar.style.transform = `scaleX(${share.toFixed(3)})`));
    const peak = Math.max(...look);
    this.cells.wanted = Float32Array.from(look, (share) => 0.8 * (1 - Math.sqrt(share / peak)));
    if (this.controls.lit.checked) element("strip").classList.add("lit");
    if (this.still.matches || !this.cells.shown) {
      this.cells.shown = this.cells.wanted.slice();
      this.paint();
    } else this.moving ||= requestAnimationFrame(() => this.move());
  }

  move() {
    this.moving = 0;
    const { shown, wanted } = this.cells;
    let far = 0;
    shown.forEach((value, i) => {
      shown[i] += 0.25 * (wanted[i] - value);
      far = Math.max(far, Math.abs(wanted[i] - shown[i]));
    });
    this.paint();
    if (far > 0.01) this.moving = requestAnimationFrame(() => this.move());
  }

  paint() {
    const columns = 2, rows = this.cells.shown.length / (columns * this.panels.length);
    const colour = getComputedStyle(document.body).getPropertyValue("--veil").trim().split(" ").map(Number);
    this.panels.forEach(({ veil }, place) => {
      if (veil.width !== columns) Object.assign(veil, { width: columns, height: rows });
      const pen = veil.getContext("2d");
      const image = pen.createImageData(columns, rows);
      for (let i = 0; i < columns * rows; i++) {
        const row = Math.floor(i / columns), column = i % columns;
        const value = this.cells.shown[row * columns * this.panels.length + place * columns + column];
        image.data.set([...colour, Math.round(255 * value)], 4 * i);
      }
      pen.putImageData(image, 0, 0);
    });
  }

  lift() {
    clearTimeout(this.resting);
    element("strip").classList.remove("lit");
    for (const { bar } of this.panels) bar.style.transform = "scaleX(0)";
  }

  // Shows where the heads looked when a word was written; null: no longer.
  recall(token) {
    const known = token && this.looks.get(token);
    this.recalled?.classList.remove("shown");
    if (!known) {
      if (this.recalled) this.lift();
      this.recalled = null;
      this.text.removeAttribute("aria-activedescendant");
      return;
    }
    this.recalled = token;
    token.classList.add("shown");
    this.text.setAttribute("aria-activedescendant", token.id);
    this.light(known.look, known.shares);
    const best = known.shares.indexOf(Math.max(...known.shares));
    const word = token.textContent.trim(), share = percent(known.shares[best]);
    this.say(`\u201c${word}\u201d: the gaze heads gave panel ${best + 1} ${share} of their look.`);
    token.setAttribute("aria-label", `${word}, panel ${best + 1}, ${share}`);
  }

  say(...parts) {
    element("status").replaceChildren(...parts.map((part) => make("span", { textContent: part })));
  }

  walk(event) {
    const tokens = [...this.text.querySelectorAll(".token")];
    const place = tokens.indexOf(this.recalled);
    const next = {
      ArrowRight: place + 1, ArrowLeft: place < 0 ? tokens.length - 1 : place - 1, Home: 0, End: tokens.length - 1,
    }[event.key];
    if (next === undefined || !tokens[next]) return;
    event.preventDefault();
    this.recall(tokens[next]);
    tokens[next].scrollIntoView({ block: "nearest" });
  }
}

const element = (id) => document.getElementById(id);
const make = (name, properties = {}) => Object.assign(document.createElement(name), properties);
const percent = (share) => `${Math.round(100 * share)} %`;

// A worker that runs this very script; gives a function that asks it something and promises the answer.
// `tell` gets each token, `fail` what went wrong.
function studio(tell, fail) {
  const program = new Blob([element("program").textContent], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(program));
  worker.onerror = ({ message }) => fail(message);
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data }) => {
    if (data.kind === "token") return tell(data);
    waiting.get(data.id)(data.answer);
    waiting.delete(data.id);
  };
  return (kind, more) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      worker.postMessage({ ...more, kind, id: last });
    });
}

if (typeof document === "undefined") serve();
else new Page();
