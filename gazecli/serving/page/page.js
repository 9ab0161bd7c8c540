// The page: a session of the server, and what pointer and keys make of it.

import { Record } from "./record.js";
import { ask, Session } from "./server.js";
import { Settings, showMeters } from "./settings.js";
import { Stage } from "./stage.js";
import { Text } from "./text.js";

const byId = (id) => document.getElementById(id);
const status = byId("status");
const problem = byId("problem");

let session = null;
let seen = 0; // the number of the newest text
let counts = 1; // events of texts before this one do not count
let writing = false;
let starting = false;
let again = false;
let aimName = "the target";
let whole = () => {};
let recording = Promise.resolve();

const stage = new Stage({ aimed, drawn });
const text = new Text({
  light: (cells) => stage.light(cells),
  dim: () => stage.dim(),
});
const record = new Record({ session: () => session, stop: stopped, failed });
let settings = null;

function failed(error) {
  if (error.name === "AbortError") return;
  problem.textContent = error.hint ? `${error.message}. ${error.hint}.` : error.message;
  problem.hidden = false;
  status.textContent = "stopped";
  if (error.code === "token.refused") byId("empty").hidden = true;
}

async function tried(work) {
  try {
    await work();
  } catch (error) {
    failed(error);
  }
}

// Why the model's words about this picture may mean nothing.
function warn(warnings) {
  byId("warning").textContent = warnings.map((each) => `Warning: ${each}`).join("\n");
  byId("warning").hidden = warnings.length === 0;
}

// The aim moved: the text follows, and begins where none is being written.
function aimed(spec, name) {
  aimName = name;
  byId("remove").disabled = !/^\d+$/.test(spec);
  tried(async () => {
    await session.aim(spec, failed);
    if (!writing && settings.heads !== "nobody") await start();
  });
}

async function start() {
  if (starting) {
    again = true;
    return;
  }
  starting = true;
  try {
    do {
      again = false;
      if (stage.aim === null && settings.heads !== "nobody") return;
      problem.hidden = true;
      setWriting(true);
      record.forget();
      byId("empty").hidden = true;
      byId("unchanged").hidden = true;
      text.begin();
      await recording; // the server has the record of the last text only
      counts = seen + 1;
      seen = (await session.ask("start", settings.values())).run;
    } while (again);
  } catch (error) {
    setWriting(false);
    failed(error);
  } finally {
    starting = false;
  }
}

async function stopped() {
  if (!writing) return;
  const end = new Promise((resolve) => (whole = resolve));
  await session.ask("stop", {});
  await end;
}

function setWriting(now) {
  writing = now;
  byId("stop").disabled = !now;
  byId("keep").disabled = false;
  status.textContent = now ? "writing" : "ready";
  document.body.classList.toggle("writing", now);
  if (!now) whole();
}

function heard(name, data) {
  if (name === "error" && data.run === undefined) return failed(data.error);
  if (name === "open" || data.run < counts) return;
  seen = data.run;
  if (name === "queue") {
    status.textContent = data.place > 0 ? `waiting: ${data.place} before this` : "writing";
  } else if (name === "token") {
    text.add(data);
    if (data.cells && byId("overlay").checked && text.chosen === null) {
      stage.light(Uint8Array.from(atob(data.cells), (letter) => letter.charCodeAt(0)));
    }
    showMeters(data.region === undefined ? "nothing" : aimName, data.unsteered_on_aim, data.on_aim);
    document.body.dataset.tokens = data.token + 1;
  } else if (name === "done") {
    text.finish(data.rest);
    setWriting(false);
    if (text.chosen === null) stage.dim();
    recording = tried(async () => record.show(await session.ask("record")));
  } else if (name === "compared") {
    byId("unchanged").hidden = !data.unchanged || writing;
  } else if (name === "error") {
    setWriting(false);
    failed(data.error);
  }
}

async function open(body) {
  status.textContent = "reading the picture";
  const opened = await Session.open(body);
  session?.close();
  session = opened;
  [seen, counts] = [0, 1];
  setWriting(false);
  byId("keep").disabled = true;
  record.forget();
  text.clear();
  byId("empty").hidden = false;
  byId("unchanged").hidden = true;
  warn(opened.opened.warnings);
  byId("split").value = body.panels ?? "auto";
  [byId("rtl").checked, byId("spread").checked, byId("spread").disabled] = [false, false, false];
  problem.hidden = true;
  showMeters("the target");
  stage.show(opened.opened);
  stage.setTool(opened.opened.regions.length ? "panel" : "spot");
  opened.listen(heard).then(
    () => session === opened && failed(new Error("The server has left. Start it again, and reload this page")),
    (error) => session === opened && failed(error),
  );
  for (const chip of byId("pictures").children) {
    chip.setAttribute("aria-pressed", chip.dataset.picture === String(body.picture));
  }
}

async function openFile(file) {
  if (!file) return;
  const reader = new FileReader();
  await new Promise((resolve, reject) => {
    reader.onload = resolve;
    reader.onerror = () => reject(new Error("The file cannot be read"));
    reader.readAsDataURL(file);
  });
  await open({ picture: reader.result, name: (file.name || "pasted.png").slice(-200) });
}

async function setPanels(body) {
  const { regions, warnings } = await session.ask("panels", body);
  warn(warnings);
  setWriting(false);
  counts = seen + 1;
  stage.aim = null;
  stage.setRegions(regions);
  byId("remove").disabled = true;
  if (body.regions) byId("split").value = "drawn";
  status.textContent = `${regions.length} panel${regions.length === 1 ? "" : "s"}`;
  return regions;
}

function drawn(box) {
  tried(async () => {
    const boxes = [...stage.regions.map((region) => region.box), box];
    const regions = await setPanels({ regions: boxes });
    stage.aimAtPanel(regions.length);
  });
}

byId("remove").addEventListener("click", () =>
  tried(async () => {
    const left = stage.regions.filter((region) => String(region.number) !== stage.aim);
    await setPanels(left.length ? { regions: left.map((region) => region.box) } : { panels: "1x1" });
  }),
);
for (const id of ["split", "rtl", "spread"]) {
  byId(id).addEventListener("change", () =>
    tried(() => {
      const panels = byId("split").value;
      byId("spread").disabled = panels !== "auto"; // columns and rows are counted over both pages
      const spread = panels === "auto" && byId("spread").checked;
      return panels !== "drawn" && setPanels({ panels, rtl: byId("rtl").checked, spread });
    }),
  );
}
for (const tool of document.querySelectorAll("[name=tool]")) {
  tool.addEventListener("change", () => stage.setTool(tool.value));
}
byId("start").addEventListener("click", () => tried(start));
byId("stop").addEventListener("click", () => tried(stopped));
byId("clear").addEventListener("click", () => {
  text.clear();
  byId("unchanged").hidden = true;
});
byId("overlay").addEventListener("change", () => byId("overlay").checked || stage.dim());
byId("file").addEventListener("change", (event) => tried(() => openFile(event.target.files[0])));
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) tried(() => openFile(file));
});
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop") tried(() => openFile(event.dataTransfer.files[0]));
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return tried(stopped);
  const field = event.target.closest?.("input:not([type=radio]):not([type=checkbox]), textarea, select");
  if (field || event.ctrlKey || event.metaKey || event.altKey || session === null) return;
  if (/^[1-9]$/.test(event.key)) stage.aimAtPanel(Number(event.key));
  else if (event.key === "0") stage.aimAtPanel(10);
  else if (event.key === "+" || event.key === "=") stage.resize(1.15);
  else if (event.key === "-") stage.resize(1 / 1.15);
});

tried(async () => {
  const about = await ask("/live");
  byId("model").textContent = `${about.model.name} \u00b7 ${about.headset.top} gaze heads of ${about.all_heads}`;
  settings = new Settings(about, () => tried(start));
  byId("pictures").replaceChildren(
    ...about.pictures.map(({ picture, name }) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.dataset.picture = picture;
      chip.textContent = name ? name.split(/[\\/]/).at(-1) : `Strip ${picture + 1}`;
      chip.addEventListener("click", () => tried(() => open({ picture })));
      return chip;
    }),
  );
  if (about.pictures.length) await open({ picture: 0 });
  else status.textContent = "drop a picture here";
  document.body.classList.add("there");
});
