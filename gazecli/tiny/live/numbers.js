// What both halves of the model are made of. Matrices lie row by row in Float32Array; sums are taken in
// double precision and rounded once, when they are stored.

// x (rows, K) times the transpose of weight (N, K), plus bias (N): (rows, N). N is a multiple of four.
export function linear(x, rows, weight, bias) {
  const [N, K] = weight.shape;
  const w = weight.data;
  const out = new Float32Array(rows * N);
  let row = 0;
  // Two rows and four columns at once: each number that is read is used several times.
  for (; row + 1 < rows; row += 2) {
    const x0 = row * K, x1 = x0 + K;
    for (let n = 0; n < N; n += 4) {
      const w0 = n * K, w1 = w0 + K, w2 = w1 + K, w3 = w2 + K;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let k = 0; k < K; k++) {
        const p = x[x0 + k], q = x[x1 + k];
        const u0 = w[w0 + k], u1 = w[w1 + k], u2 = w[w2 + k], u3 = w[w3 + k];
        a0 += p * u0; a1 += p * u1; a2 += p * u2; a3 += p * u3;
        b0 += q * u0; b1 += q * u1; b2 += q * u2; b3 += q * u3;
      }
      const o = row * N + n;
      out[o] = a0; out[o + 1] = a1; out[o + 2] = a2; out[o + 3] = a3;
      out[o + N] = b0; out[o + N + 1] = b1; out[o + N + 2] = b2; out[o + N + 3] = b3;
    }
  }
  if (row < rows) {
    const x0 = row * K;
    for (let n = 0; n < N; n += 4) {
      const w0 = n * K, w1 = w0 + K, w2 = w1 + K, w3 = w2 + K;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0;
      for (let k = 0; k < K; k++) {
        const p = x[x0 + k];
        a0 += p * w[w0 + k]; a1 += p * w[w1 + k]; a2 += p * w[w2 + k]; a3 += p * w[w3 + k];
      }
      const o = row * N + n;
      out[o] = a0; out[o + 1] = a1; out[o + 2] = a2; out[o + 3] = a3;
    }
  }
  if (bias) for (let i = 0; i < out.length; i++) out[i] += bias.data[i % N];
  return out;
}

export function addTo(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

// x / sqrt(mean(x^2) + eps) * weight, row by row.
export function rmsNorm(x, weight, eps) {
  const width = weight.data.length;
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[start + i] ** 2;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) out[start + i] = x[start + i] * scale * weight.data[i];
  }
  return out;
}

// (x - mean) / sqrt(variance + eps) * weight + bias, row by row.
export function layerNorm(x, weight, bias, eps) {
  const width = weight.data.length;
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    let mean = 0, squares = 0;
    for (let i = 0; i < width; i++) mean += x[start + i];
    mean /= width;
    for (let i = 0; i < width; i++) squares += (x[start + i] - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++)
      out[start + i] = (x[start + i] - mean) * scale * weight.data[i] + bias.data[i];
  }
  return out;
}

// The first `count` scores become shares that sum to one.
export function softmax(scores, count) {
  let highest = -Infinity, sum = 0;
  for (let i = 0; i < count; i++) if (scores[i] > highest) highest = scores[i];
  for (let i = 0; i < count; i++) sum += scores[i] = Math.exp(scores[i] - highest);
  for (let i = 0; i < count; i++) scores[i] /= sum;
}

export const silu = (x) => x / (1 + Math.exp(-x));
export const quickGelu = (x) => x / (1 + Math.exp(-1.702 * x));
export const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

// A series of positive terms (Abramowitz and Stegun 7.1.6).
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17; n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

// Rotates each head of each row: feature d of its first half with feature d of its second half, by the angle
// angles[row * half + d].
export function rotate(x, heads, size, angles) {
  const half = size / 2;
  const rows = x.length / (heads * size);
  for (let row = 0; row < rows; row++)
    for (let d = 0; d < half; d++) {
      const cos = Math.fround(Math.cos(angles[row * half + d]));
      const sin = Math.fround(Math.sin(angles[row * half + d]));
      for (let head = 0; head < heads; head++) {
        const one = (row * heads + head) * size + d, other = one + half;
        const a = x[one], b = x[other];
        x[one] = a * cos - b * sin;
        x[other] = b * cos + a * sin;
      }
    }
}

// theta^(-2i/width) for each pair of features of a rotation over `width` features.
export function frequencies(theta, width) {
  return Float32Array.from({ length: width / 2 }, (_, i) => 1 / Math.fround(theta ** ((2 * i) / width)));
}
