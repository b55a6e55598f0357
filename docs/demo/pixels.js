// A photograph at the size that a network sees, as skinseg/data/resizing.py makes it.

import { resample, triangle } from "./triangle.js";

// An image of more than this many times the size is first averaged over whole pixels.
const AVERAGING_GAP = 8;
// Rows that are read at once: phones have no canvas for a photograph as a whole.
const STRIP = 256;

// Return 8-bit RGB (height, width, 3) of an ImageBitmap, resized.
export function resizedPixels(bitmap, [height, width]) {
  const across = Math.max(1, Math.floor(bitmap.width / (AVERAGING_GAP * width)));
  const down = Math.max(1, Math.floor(bitmap.height / (AVERAGING_GAP * height)));
  const reduced = averaged(bitmap, across, down);
  if (reduced.height == height && reduced.width == width) return reduced.values;
  const resized = resample(
    reduced.values,
    reduced,
    triangle(reduced.height, height, bitmap.height / down),
    triangle(reduced.width, width, bitmap.width / across),
  );
  return Uint8Array.from(resized, (value) => Math.min(255, Math.max(0, Math.round(value))));
}

// Average over rectangles of whole pixels; those at the right and lower edge may have fewer.
function averaged(bitmap, across, down) {
  const width = Math.ceil(bitmap.width / across);
  const height = Math.ceil(bitmap.height / down);
  const values = new Uint8Array(width * height * 3);
  const sums = new Uint32Array(width * 3);
  let y = 0;
  for (const { data, lines } of strips(bitmap, down * Math.ceil(STRIP / down)))
    for (let top = 0; top < lines; top += down, y++) {
      const rows = Math.min(down, lines - top);
      sums.fill(0);
      for (let row = top; row < top + rows; row++) addRow(sums, data, row, bitmap.width, across);
      writeMeans(values.subarray(y * width * 3), sums, rows, bitmap.width, across);
    }
  return { values, height, width, channels: 3 };
}

// The inner loops are functions of their own: browsers make those fast.
function addRow(sums, data, row, width, across) {
  let at = row * width * 4;
  for (let x = 0, cell = 0; x < width; cell += 3)
    for (const end = Math.min(x + across, width); x < end; x++, at += 4) {
      sums[cell] += data[at];
      sums[cell + 1] += data[at + 1];
      sums[cell + 2] += data[at + 2];
    }
}

function writeMeans(values, sums, rows, width, across) {
  for (let x = 0, cell = 0; x < width; x += across, cell += 3) {
    const count = rows * Math.min(across, width - x);
    for (let channel = cell; channel < cell + 3; channel++)
      values[channel] = (sums[channel] + count / 2) / count;
  }
}

// Read an image a few rows at a time, transparency laid over white.
function* strips(bitmap, rows) {
  const lines = Math.min(rows, bitmap.height);
  const canvas = new OffscreenCanvas(bitmap.width, lines);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.fillStyle = "white";
  for (let top = 0; top < bitmap.height; top += rows) {
    const count = Math.min(lines, bitmap.height - top);
    context.fillRect(0, 0, bitmap.width, lines);
    context.drawImage(bitmap, 0, -top);
    yield { data: context.getImageData(0, 0, bitmap.width, count).data, lines: count };
  }
}
