// Numbers as people read them.

export function whole(value) {
  return Math.round(value).toLocaleString("en-US");
}

export function digits(value, count = 2) {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: count,
    maximumFractionDigits: count,
  });
}

export function percent(fraction, count = 1) {
  return `${digits(100 * fraction, count)} %`;
}

// A length in pixels, and in millimeters where the scale is known.
export function length(pixels, millimetersPerPixel) {
  if (millimetersPerPixel === null) return `${whole(pixels)} px`;
  return `${digits(pixels * millimetersPerPixel, 1)} mm`;
}
