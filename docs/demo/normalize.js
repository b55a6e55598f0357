// How pixels 0..255 become a network's input, as skinseg/data/normalization.py has it.

// Return float32 (3, height, width) of 8-bit RGB (height, width, 3).
export function normalized(pixels, normalization) {
  const area = pixels.length / 3;
  const input = new Float32Array(pixels.length);
  const [offsets, factors] = linear(pixels, normalization);
  for (let channel = 0; channel < 3; channel++)
    for (let at = 0; at < area; at++)
      input[channel * area + at] = (pixels[at * 3 + channel] - offsets[channel]) * factors[channel];
  return input;
}

// What is subtracted from each channel, and what the difference is multiplied by.
function linear(pixels, { kind, scale, mean, std }) {
  if (kind == "mean_std") return [mean.map((m) => 255 * m), std.map((s) => 1 / (255 * s))];
  const low = pixels.reduce((a, b) => Math.min(a, b), 255);
  const high = pixels.reduce((a, b) => Math.max(a, b), 0);
  // An image of one color has nothing to stretch; it becomes zeros.
  return [Array(3).fill(low), Array(3).fill(scale / Math.max(high - low, 1e-6))];
}
