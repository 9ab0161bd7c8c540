// Fresh comic strips: scenes drawn by lot, painted with the recorded shapes of the scene drawing of `tiny`.
// Everything is painted by hand into bytes, so that every browser shows the model the same picture.

const UNITS = 100; // recorded coordinates are hundredths of a unit, a canvas has a hundred units a side

// Numbers from 0 to 1 that the seed determines (mulberry32).
function lot(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class StripArtist {
  // drawings: {size, gap, panels, subjects, objects, places, arrangements}: each name -> recorded variants.
  constructor(drawings) {
    this.drawings = drawings;
  }

  // Strip number `seed`: {panels: bytes of each panel, side, captions, strip: {width, height, rgb}}.
  // In `strip` thin white lines part the panels.
  draw(seed) {
    const { side, gap, panels: count } = this.drawings;
    const random = lot(seed * 2654435761);
    const scenes = this.scenes(random, count);
    const panels = scenes.map((scene) => this.panel(scene, random));
    const width = side * count;
    const rgb = new Uint8Array(width * side * 3);
    panels.forEach((panel, place) => {
      for (let y = 0; y < side; y++)
        rgb.set(panel.subarray(y * side * 3, (y + 1) * side * 3), (y * width + place * side) * 3);
    });
    for (let place = 1; place < count; place++)
      for (let y = 0; y < side; y++) {
        const start = (y * width + place * side - gap / 2) * 3;
        rgb.fill(255, start, start + gap * 3);
      }
    return { panels, side, captions: scenes.map(captionOf), strip: { width, height: side, rgb } };
  }

  // No colour and no subject twice.
  scenes(random, count) {
    const { subjects, objects, places, arrangements } = this.drawings;
    const pick = (names) => names[Math.floor(random() * names.length)];
    const shuffled = (names) => {
      const order = [...names];
      for (let i = order.length - 1; i > 0; i--) {
        const other = Math.floor(random() * (i + 1));
        [order[i], order[other]] = [order[other], order[i]];
      }
      return order;
    };
    const kinds = shuffled(Object.keys(subjects));
    const colours = shuffled(Object.keys(subjects[kinds[0]]));
    return Array.from({ length: count }, (_, place) => ({
      colour: colours[place],
      subject: kinds[place],
      action: pick(Object.keys(arrangements)),
      object: pick(Object.keys(objects)),
      place: pick(Object.keys(places)),
    }));
  }

  // One scene as side x side x 3 bytes; painted twice as large and reduced.
  panel({ colour, subject, action, object, place }, random) {
    const { side, subjects, objects, places, arrangements } = this.drawings;
    const variant = (variants) => variants[Math.floor(random() * variants.length)];
    const canvas = new Canvas(side * 2);
    const figures = [variant(subjects[subject][colour]), variant(objects[object])];
    const whole = canvas.figure(50 * UNITS, 50 * UNITS, 100 * UNITS, 0);
    for (const shape of variant(places[place])) canvas.paint(shape, whole);
    for (const item of variant(arrangements[action])) {
      if (typeof item[0] === "string") canvas.paint(item, whole);
      else {
        const [figure, x, y, size, turn] = item;
        const placed = canvas.figure(x, y, size, turn);
        for (const shape of figures[figure]) canvas.paint(shape, placed);
      }
    }
    return canvas.reduced(random() < 0.5, 0.93 + 0.14 * random());
  }
}

const captionOf = ({ colour, subject, action, object, place }) =>
  `${colour[0].toUpperCase()}${colour.slice(1)} ${subject} ${action} the ${object} ${place}.`;

// A square of bytes on which polygons are filled.
class Canvas {
  constructor(side) {
    this.side = side;
    this.bytes = new Uint8Array(side * side * 3);
  }

  // How a figure's coordinates become pixels: its middle, its size, turned by degrees against the clock.
  figure(x, y, size, turn) {
    const pixel = this.side / 100 / UNITS;
    const scale = Math.max(8, Math.round(size * pixel)) / 100 / UNITS;
    const cos = Math.cos((turn * Math.PI) / 180), sin = Math.sin((turn * Math.PI) / 180);
    const point = (u, v) => {
      const right = (u - 50 * UNITS) * scale, down = (v - 50 * UNITS) * scale;
      return [x * pixel + right * cos + down * sin, y * pixel - right * sin + down * cos];
    };
    return { point, width: (units) => Math.max(1, Math.round(units * scale)) / scale };
  }

  // A recorded shape: [kind, colour, coordinates, line width, edge colour or -1, from angle, to angle].
  paint([kind, colour, points, line, edge, from, to], { point, width }) {
    const fill = (outline, ink) => this.fill(outline.map(([x, y]) => point(x, y)), ink);
    const thick = width(line);
    const [x0, y0, x1, y1] = points;
    const inside = edge < 0 ? 0 : thick;
    if (kind === "ellipse") {
      if (inside) fill(arc(x0, y0, x1, y1, 0, 360), edge);
      fill(arc(x0 + inside, y0 + inside, x1 - inside, y1 - inside, 0, 360), colour);
    } else if (kind === "rectangle") {
      if (inside) fill(box(x0, y0, x1, y1), edge);
      fill(box(x0 + inside, y0 + inside, x1 - inside, y1 - inside), colour);
    } else if (kind === "polygon") fill(pairs(points), colour);
    else if (kind === "line") for (const part of stroke(pairs(points), thick)) fill(part, colour);
    else if (kind === "arc") fill(ring(x0, y0, x1, y1, from, to, thick), colour);
    else if (kind === "pie") {
      const middle = [(x0 + x1) / 2, (y0 + y1) / 2];
      const curve = arc(x0, y0, x1, y1, from, to);
      fill([...curve, middle], colour);
      fill(ring(x0, y0, x1, y1, from, to, thick), edge);
      for (const part of stroke([curve[0], middle, curve.at(-1)], thick)) fill(part, edge);
    }
  }

  // Fills a polygon (even-odd), a pixel where its middle lies inside.
  fill(points, colour) {
    const { side, bytes } = this;
    const heights = points.map(([, y]) => y);
    const top = Math.max(0, Math.ceil(Math.min(...heights) - 0.5));
    const bottom = Math.min(side - 1, Math.floor(Math.max(...heights) - 0.5));
    const [red, green, blue] = [(colour >> 16) & 255, (colour >> 8) & 255, colour & 255];
    for (let y = top; y <= bottom; y++) {
      const middle = y + 0.5, crossings = [];
      points.forEach(([x0, y0], i) => {
        const [x1, y1] = points[(i + 1) % points.length];
        if (y0 <= middle !== y1 <= middle) crossings.push(x0 + ((middle - y0) / (y1 - y0)) * (x1 - x0));
      });
      crossings.sort((one, other) => one - other);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        const right = Math.min(side - 1, Math.ceil(crossings[i + 1] - 0.5) - 1);
        for (let x = Math.max(0, Math.ceil(crossings[i] - 0.5)); x <= right; x++) {
          const at = (y * side + x) * 3;
          bytes[at] = red;
          bytes[at + 1] = green;
          bytes[at + 2] = blue;
        }
      }
    }
  }

  // Half as large, mirrored or not, in a brighter or darker light.
  reduced(mirrored, light) {
    const side = this.side / 2;
    const out = new Uint8Array(side * side * 3);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let channel = 0; channel < 3; channel++) {
          const at = (2 * y * this.side + 2 * (mirrored ? side - 1 - x : x)) * 3 + channel;
          const below = at + this.side * 3;
          const sum = this.bytes[at] + this.bytes[at + 3] + this.bytes[below] + this.bytes[below + 3];
          out[(y * side + x) * 3 + channel] = Math.min(255, ((sum + 2) >> 2) * light);
        }
    return out;
  }
}

const box = (x0, y0, x1, y1) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
const pairs = (points) => Array.from({ length: points.length / 2 }, (_, i) => [points[2 * i], points[2 * i + 1]]);

// Points of an ellipse in a box, clockwise from angle to angle in degrees, 0 to the right.
function arc(x0, y0, x1, y1, from, to) {
  const span = to - from + (to < from ? 360 : 0);
  const steps = Math.max(2, Math.ceil(span / 6));
  return Array.from({ length: steps + 1 }, (_, i) => {
    const angle = ((from + (span * i) / steps) * Math.PI) / 180;
    return [(x0 + x1) / 2 + ((x1 - x0) / 2) * Math.cos(angle), (y0 + y1) / 2 + ((y1 - y0) / 2) * Math.sin(angle)];
  });
}

// An arc as wide as a line, inside its box.
const ring = (x0, y0, x1, y1, from, to, line) => [
  ...arc(x0, y0, x1, y1, from, to),
  ...arc(x0 + line, y0 + line, x1 - line, y1 - line, from, to).reverse(),
];

// The parts of a thick line: a box for each stretch, a disc at each bend.
function stroke(points, line) {
  const parts = [];
  points.forEach(([x, y], i) => {
    if (i > 0) {
      const [u, v] = points[i - 1];
      const length = Math.hypot(x - u, y - v) || 1;
      const [across, down] = [((y - v) / length) * (line / 2), (-(x - u) / length) * (line / 2)];
      parts.push([[u + across, v + down], [x + across, y + down], [x - across, y - down], [u - across, v - down]]);
    }
    if (i > 0 && i + 1 < points.length)
      parts.push(arc(x - line / 2, y - line / 2, x + line / 2, y + line / 2, 0, 360));
  });
  return parts;
}
