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
  let rows = 0;
  let y = 0;
  for (const { data, lines } of strips(bitmap, down * Math.ceil(STRIP / down))) {
    for (let line = 0; line < lines; line++) {
      let at = line * bitmap.width * 4;
      for (let x = 0; x < bitmap.width; x++, at += 4) {
        const cell = Math.floor(x / across) * 3;
        sums[cell] += data[at];
        sums[cell + 1] += data[at + 1];
        sums[cell + 2] += data[at + 2];
      }
      rows++;
      if (rows < down && !(line == lines - 1 && y == height - 1)) continue;
      for (let x = 0; x < width; x++) {
        const count = rows * Math.min(across, bitmap.width - x * across);
        for (let channel = 0; channel < 3; channel++)
          values[(y * width + x) * 3 + channel] = (sums[x * 3 + channel] + count / 2) / count;
      }
      sums.fill(0);
      rows = 0;
      y++;
    }
  }
  return { values, height, width, channels: 3 };
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
