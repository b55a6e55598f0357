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
  const line = columns.weights.length * channels;
  const wide = new Float32Array(height * line);
  for (let y = 0; y < height; y++) {
    const row = values.subarray(y * width * channels, (y + 1) * width * channels);
    alongRow(wide.subarray(y * line, (y + 1) * line), row, columns, channels);
  }
  const made = new Float32Array(rows.weights.length * line);
  rows.weights.forEach((weights, y) => {
    const row = made.subarray(y * line, (y + 1) * line);
    weights.forEach((weight, at) => addTimes(row, wide, (rows.first[y] + at) * line, weight));
  });
  return made;
}

function alongRow(made, row, { first, weights }, channels) {
  for (let x = 0; x < weights.length; x++)
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      let at = first[x] * channels + channel;
      for (let index = 0; index < weights[x].length; index++, at += channels)
        sum += weights[x][index] * row[at];
      made[x * channels + channel] = sum;
    }
}

function addTimes(made, values, begin, weight) {
  for (let at = 0; at < made.length; at++) made[at] += weight * values[begin + at];
}
