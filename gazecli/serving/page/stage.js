// The stage: the picture, its panels, the spotlight, and where the heads look. Tells what is aimed at.

const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const colourOf = (number) => `region-${((number - 1) % 10) + 1}`;

export class Stage {
  // `aimed(spec, name, number)` is called when the aim moves, `drawn(box)` when a panel was drawn.
  constructor({ aimed, drawn }) {
    this.aimed = aimed;
    this.drawn = drawn;
    this.node = byId("stage");
    this.picture = byId("picture");
    this.heat = byId("heat");
    this.spot = byId("spot");
    this.rubber = byId("rubber");
    this.regions = [];
    this.width = this.height = 1;
    this.tool = "panel";
    this.circle = null;
    this.aim = null;
    this.anchor = null;
    this.listen();
  }

  show(opened) {
    const { width, height, image, name } = opened.picture;
    Object.assign(this, { width, height, grid: opened.grid, aim: null, circle: null });
    this.picture.src = image;
    this.picture.alt = name ?? "the picture";
    this.node.style.setProperty("--ratio", width / height);
    this.spot.hidden = true;
    this.dim();
    this.setRegions(opened.regions);
  }

  setRegions(regions) {
    this.regions = regions;
    byId("panels").replaceChildren(
      ...regions.map(({ number, box }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = `panel ${colourOf(number)}`;
        button.dataset.number = number;
        button.tabIndex = -1;
        button.setAttribute("aria-label", `Panel ${number}`);
        button.append(Object.assign(document.createElement("span"), { textContent: number }));
        this.place(button, box);
        return button;
      }),
    );
  }

  place(node, [x0, y0, x1, y1]) {
    node.style.left = `${(100 * x0) / this.width}%`;
    node.style.top = `${(100 * y0) / this.height}%`;
    node.style.width = `${(100 * (x1 - x0)) / this.width}%`;
    node.style.height = `${(100 * (y1 - y0)) / this.height}%`;
  }

  setTool(tool) {
    this.tool = tool;
    this.node.dataset.tool = tool;
    this.spot.hidden = tool !== "spot" || this.circle === null;
    document.querySelector(`[name=tool][value=${tool}]`).checked = true;
  }

  aimAtPanel(number) {
    if (this.aim === `${number}` || !this.regions.some((region) => region.number === number)) return;
    this.setTool("panel");
    this.take(`${number}`, `panel ${number}`, number);
  }

  aimAtCircle(x, y, radius = this.circle?.radius ?? Math.min(this.width, this.height) * 0.3) {
    const most = Math.max(this.width, this.height) / 2;
    const circle = {
      x: clamp(x, 0, this.width - 1),
      y: clamp(y, 0, this.height - 1),
      radius: clamp(radius, Math.min(this.width, this.height) * 0.05, most),
    };
    this.circle = circle;
    this.setTool("spot");
    this.place(this.spot, [circle.x - circle.radius, circle.y - circle.radius, circle.x + circle.radius, circle.y + circle.radius]);
    const spec = `circle:${[circle.x, circle.y, circle.radius].map((edge) => edge.toFixed(1)).join(",")}`;
    if (spec !== this.aim) this.take(spec, "the spotlight", null);
  }

  take(spec, name, number) {
    this.aim = spec;
    for (const button of byId("panels").children) {
      button.classList.toggle("aimed", Number(button.dataset.number) === number);
    }
    this.aimed(spec, name, number);
  }

  point(event) {
    const box = this.node.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.width, ((event.clientY - box.top) / box.height) * this.height];
  }

  panelAt(x, y) {
    return this.regions.findLast(({ box: [x0, y0, x1, y1] }) => x >= x0 && x < x1 && y >= y0 && y < y1);
  }

  listen() {
    this.node.addEventListener("pointermove", (event) => this.moved(event));
    this.node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      if (this.tool === "draw") {
        this.anchor = this.point(event);
        this.node.setPointerCapture(event.pointerId);
      } else if (this.tool === "spot") {
        this.node.setPointerCapture(event.pointerId);
        this.aimAtCircle(...this.point(event));
      }
    });
    this.node.addEventListener("click", (event) => {
      const found = this.tool === "panel" && this.panelAt(...this.point(event));
      if (found) this.aimAtPanel(found.number);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.node.addEventListener(end, (event) => this.released(event));
    }
    this.node.addEventListener(
      "wheel",
      (event) => {
        if (this.tool !== "spot" || this.circle === null) return;
        event.preventDefault();
        this.resize(event.deltaY < 0 ? 1.1 : 1 / 1.1);
      },
      { passive: false },
    );
    this.node.addEventListener("keydown", (event) => {
      const step = Math.max(this.width, this.height) / (event.shiftKey ? 12 : 40);
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (!dx && !dy) return;
      event.preventDefault();
      const { x, y } = this.circle ?? this.middle();
      this.aimAtCircle(x + dx * step, y + dy * step);
    });
  }

  // The middle of the panel that is aimed at, or of the picture.
  middle() {
    const region = this.regions.find(({ number }) => `${number}` === this.aim);
    const [x0, y0, x1, y1] = region?.box ?? [0, 0, this.width, this.height];
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
  }

  resize(factor) {
    const { x, y, radius } = this.circle ?? { ...this.middle(), radius: Math.min(this.width, this.height) * 0.3 };
    this.aimAtCircle(x, y, radius * factor);
  }

  moved(event) {
    const [x, y] = this.point(event);
    if (this.tool === "draw") {
      if (this.anchor === null) return;
      this.rubber.hidden = false;
      this.place(this.rubber, this.boxTo(x, y));
    } else if (this.tool === "spot") {
      this.aimAtCircle(x, y);
    } else if (event.pointerType !== "touch") {
      const found = this.panelAt(x, y);
      if (found) this.aimAtPanel(found.number);
    }
  }

  boxTo(x, y) {
    const [x0, y0] = this.anchor;
    const [right, bottom] = [clamp(x, 0, this.width), clamp(y, 0, this.height)];
    return [Math.min(x0, right), Math.min(y0, bottom), Math.max(x0, right), Math.max(y0, bottom)].map(Math.round);
  }

  released(event) {
    if (this.anchor === null) return;
    const box = this.boxTo(...this.point(event));
    this.anchor = null;
    this.rubber.hidden = true;
    const least = Math.max(this.width, this.height) / 100;
    if (event.type === "pointerup" && box[2] - box[0] > least && box[3] - box[1] > least) this.drawn(box);
  }

  // Light the cells of the grid: bytes, row by row, 255 where the heads look most.
  light(cells) {
    const { xs, ys } = this.grid;
    const [columns, rows] = [xs.length - 1, ys.length - 1];
    this.heat.width = Math.min(this.width, 1200);
    this.heat.height = Math.round((this.heat.width * this.height) / this.width);
    const scale = this.heat.width / this.width;
    const context = this.heat.getContext("2d");
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        context.fillStyle = `rgb(8 10 18 / ${0.62 * (1 - cells[row * columns + column] / 255)})`;
        // Whole pixels, so that no seams show between cells.
        const [left, right] = [column, column + 1].map((line) => Math.round(xs[line] * scale));
        const [top, bottom] = [row, row + 1].map((line) => Math.round(ys[line] * scale));
        context.fillRect(left, top, right - left, bottom - top);
      }
    }
    this.node.classList.add("lit");
  }

  dim() {
    this.node.classList.remove("lit");
  }
}
