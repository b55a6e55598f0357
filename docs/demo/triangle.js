// Bilinear resizing with antialiasing along one axis, as Pillow and torch compute it.

// Weights of the old values in each new one: a triangle around its center, as wide as two new
// values where there are fewer of them. `extent` is how many old values there are, of which the
// last may count in part.
export function triangle(count, made, extent = count) {
  const scale = extent / made;
  const reach = Math.max(scale, 1);
  const first = new Int32Array(made);
  const weights = [];
  for (let index = 0; index < made; index++) {
    const center = (index + 0.5) * scale;
    const begin = Math.max(0, Math.floor(center - reach + 0.5));
    const end = Math.min(count, Math.floor(center + reach + 0.5));
    const row = new Float64Array(Math.max(end - begin, 1));
    let sum = 0;
    for (let at = begin; at < end; at++) {
      row[at - begin] = Math.max(0, 1 - Math.abs(at + 0.5 - center) / reach);
      sum += row[at - begin];
    }
    for (let at = 0; at < row.length; at++) row[at] /= sum;
    first[index] = begin;
    weights.push(row);
  }
  return { first, weights };
}

// Resize (height, width, channels), row after row, to (madeHeight, madeWidth, channels).
export function resample(values, { height, width, channels }, rows, columns) {
  const madeHeight = rows.weights.length;
  const madeWidth = columns.weights.length;
  const wide = new Float32Array(height * madeWidth * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < madeWidth; x++)
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        let at = (y * width + columns.first[x]) * channels + channel;
        for (const weight of columns.weights[x]) {
          sum += weight * values[at];
          at += channels;
        }
        wide[(y * madeWidth + x) * channels + channel] = sum;
      }
  const made = new Float32Array(madeHeight * madeWidth * channels);
  const line = madeWidth * channels;
  for (let y = 0; y < madeHeight; y++)
    for (let x = 0; x < line; x++) {
      let sum = 0;
      let at = rows.first[y] * line + x;
      for (const weight of rows.weights[y]) {
        sum += weight * wide[at];
        at += line;
      }
      made[y * line + x] = sum;
    }
  return made;
}
