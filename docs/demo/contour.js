// Outlines of a mask: closed lines that have every lesion pixel's center inside, and no other.

// Steps from corner to corner: right, down, left, up.
const STEP_X = [1, 0, -1, 0];
const STEP_Y = [0, 1, 0, -1];
// Which pixel lies ahead of a corner, to the right hand and to the left.
const RIGHT_X = [0, -1, -1, 0];
const RIGHT_Y = [0, 0, -1, -1];
const LEFT_X = [0, 0, -1, -1];
const LEFT_Y = [-1, 0, 0, -1];

// Return lines of { points: [[x, y], ...], area, hole }, x and y counted from the image's upper
// left corner in pixels. Pixels that touch at a corner are one part, as in Python. `area` counts
// the pixels that a line surrounds.
export function outlines(mask, width, height) {
  const lesion = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] == 1;
  const seen = new Set();
  const lines = [];
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++)
      if (mask[at] == 1 && !(y > 0 && mask[at - width] == 1) && !seen.has(at))
        lines.push(followed(lesion, x, y, width, seen));
  return lines;
}

// Follow the upper edge of a pixel around, the lesion on the right hand.
function followed(lesion, startX, startY, width, seen) {
  const points = [];
  let [x, y, direction, turned, doubled] = [startX, startY, 0, true, 0];
  do {
    if (direction == 0) seen.add(y * width + x);
    const [nextX, nextY] = [x + STEP_X[direction], y + STEP_Y[direction]];
    doubled += x * nextY - nextX * y;
    const middle = [(x + nextX) / 2, (y + nextY) / 2];
    const ahead = turn(lesion, nextX, nextY, direction);
    // Of a straight stretch its first and last edge are enough.
    if (turned || ahead != direction) points.push(middle);
    turned = ahead != direction;
    [x, y, direction] = [nextX, nextY, ahead];
  } while (x != startX || y != startY || direction != 0);
  return { points, area: Math.abs(doubled) / 2, hole: doubled < 0 };
}

function turn(lesion, x, y, direction) {
  if (lesion(x + LEFT_X[direction], y + LEFT_Y[direction])) return (direction + 3) % 4;
  if (lesion(x + RIGHT_X[direction], y + RIGHT_Y[direction])) return direction;
  return (direction + 1) % 4;
}
