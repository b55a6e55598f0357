// A network's logits at the size of the image, as skinseg/inference/enlarge.py computes them.

import { resample, triangle } from "./triangle.js";

// Probabilities per logit, along each side, that are enough to compute confidence from.
const ENOUGH = 4;

// Return the mask, uint8 (height, width) of 0 and 1, its area, and the network's confidence in it.
export function maskOf(logits, size, { height, width }, threshold) {
  const level = Math.fround(Math.log(threshold / (1 - threshold)));
  const mask = new Uint8Array(height * width);
  let area = 0;
  for (const [y, row] of enlarged(logits, size, height, width))
    area += markRow(mask.subarray(y * width, (y + 1) * width), row, level);
  return { mask, area, confidence: confidence(logits, size, height, width, threshold, area) };
}

// Mark where a row reaches the level; return how many pixels do.
function markRow(mask, row, level) {
  let count = 0;
  for (let x = 0; x < mask.length; x++) {
    mask[x] = row[x] >= level ? 1 : 0;
    count += mask[x];
  }
  return count;
}

// Dice of the mask against the probabilities themselves: see Prediction.confidence in Python.
function confidence(logits, size, height, width, threshold, area) {
  if (!area) return 0;
  const fraction = area / (height * width);
  const rows = Math.min(height, ENOUGH * size[0]);
  const columns = Math.min(width, ENOUGH * size[1]);
  let above = 0;
  let total = 0;
  for (const [, row] of enlarged(logits, size, rows, columns))
    for (const logit of row) {
      const probability = 1 / (1 + Math.exp(-logit));
      total += probability;
      above += Math.max(probability - threshold, 0);
    }
  const pixels = rows * columns;
  const inside = above / pixels + threshold * fraction;
  return (2 * inside) / (total / pixels + fraction);
}

// Yield each row of the enlarged logits; the array is the same every time.
function* enlarged(logits, size, height, width) {
  const [values, [h, w]] = reduced(logits, size, height, width);
  const rows = interpolation(h, height);
  const columns = interpolation(w, width);
  const line = new Float32Array(w);
  const row = new Float32Array(width);
  for (let y = 0; y < height; y++) {
    const start = rows.cell[y] * w;
    for (let x = 0; x < w; x++) {
      const value = values[start + x];
      line[x] = value + rows.weight[y] * ((values[start + w + x] ?? value) - value);
    }
    between(row, line, columns);
    yield [y, row];
  }
}

function between(row, line, { cell, weight }) {
  // Of a single value there is no second one.
  const step = line.length > 1 ? 1 : 0;
  for (let x = 0; x < row.length; x++) {
    const value = line[cell[x]];
    row[x] = value + weight[x] * (line[cell[x] + step] - value);
  }
}

// Logits where they are no more than pixels: antialiased along sides that are longer.
function reduced(logits, [h, w], height, width) {
  if (h <= height && w <= width) return [logits, [h, w]];
  const made = [Math.min(h, height), Math.min(w, width)];
  const shape = { height: h, width: w, channels: 1 };
  return [resample(logits, shape, triangle(h, made[0]), triangle(w, made[1])), made];
}

// Which two values each pixel lies between, and how near to the second.
function interpolation(values, pixels) {
  const cell = new Int32Array(pixels);
  const weight = new Float32Array(pixels);
  for (let at = 0; at < pixels; at++) {
    const position = Math.min(Math.max((at + 0.5) * (values / pixels) - 0.5, 0), values - 1);
    cell[at] = Math.max(0, Math.min(Math.floor(position), values - 2));
    weight[at] = position - cell[at];
  }
  return { cell, weight };
}
