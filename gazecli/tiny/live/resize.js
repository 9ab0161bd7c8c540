// Bicubic resizing of bytes as Pillow does it, digit for digit: across, then down, in whole numbers of 22 bits.

const BITS = 22;

// {width, height, rgb} -> the bytes of the same picture, `width` by `height`.
export function resize(picture, width, height) {
  const across = weights(picture.width, width);
  const between = new Uint8Array(width * picture.height * 3);
  for (let y = 0; y < picture.height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        between[(y * width + x) * 3 + channel] = weighted(
          picture.rgb, across[x], (y * picture.width + across[x].first) * 3 + channel, 3,
        );
  const down = weights(picture.height, height);
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width * 3; x++)
      out[y * width * 3 + x] = weighted(between, down[y], down[y].first * width * 3 + x, width * 3);
  return out;
}

// For each new pixel the first old one that counts, and how much each from there on counts.
function weights(before, after) {
  const scale = before / after;
  const stretch = Math.max(scale, 1);
  const support = 2 * stretch;
  return Array.from({ length: after }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(before, Math.trunc(centre + support + 0.5));
    const shares = Array.from({ length: last - first }, (_, i) => cubic((i + first - centre + 0.5) / stretch));
    const sum = shares.reduce((one, other) => one + other, 0);
    const whole = shares.map((share) => {
      const scaled = (share / sum) * 2 ** BITS;
      return Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
    });
    return { first, whole };
  });
}

function cubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function weighted(bytes, { whole }, start, step) {
  let sum = 2 ** (BITS - 1);
  for (let i = 0; i < whole.length; i++) sum += whole[i] * bytes[start + i * step];
  return Math.min(255, Math.max(0, sum >> BITS));
}
