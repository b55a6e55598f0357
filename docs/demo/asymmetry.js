// How much of a shape has no counterpart when it is folded along its long or its short axis.

// Cells along a side of the grid that the shape is laid on.
const GRID = 256;

// Return { long, short }, 0 for a shape that is the mirror image of itself, 1 at most.
export function asymmetry(points) {
  const { x: centerX, y: centerY, angle } = principalAxes(points);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const turned = points.map(([x, y]) => [
    (x - centerX) * cos + (y - centerY) * sin,
    (y - centerY) * cos - (x - centerX) * sin,
  ]);
  const reach = Math.max(...turned.flat().map(Math.abs), 1e-9);
  const grid = filled(turned.map(([x, y]) => [x / reach, y / reach]));
  let [area, across, along] = [0, 0, 0];
  for (let y = 0; y < GRID; y++)
    for (let x = 0; x < GRID; x++) {
      const cell = grid[y * GRID + x];
      area += cell;
      across += cell ^ grid[(GRID - 1 - y) * GRID + x];
      along += cell ^ grid[y * GRID + GRID - 1 - x];
    }
  return { long: across / (2 * area || 1), short: along / (2 * area || 1) };
}

// Centroid, and direction of the long axis, from the moments of the area inside a closed line.
function principalAxes(points) {
  // Around one of its points, so that moments of small shapes far off keep their digits.
  const [originX, originY] = points[0];
  let [area, sumX, sumY, xx, yy, xy] = [0, 0, 0, 0, 0, 0];
  points.forEach((point, index) => {
    const next = points[(index + 1) % points.length];
    const [ax, ay] = [point[0] - originX, point[1] - originY];
    const [bx, by] = [next[0] - originX, next[1] - originY];
    const part = ax * by - bx * ay;
    area += part / 2;
    sumX += (part * (ax + bx)) / 6;
    sumY += (part * (ay + by)) / 6;
    xx += (part * (ax * ax + ax * bx + bx * bx)) / 12;
    yy += (part * (ay * ay + ay * by + by * by)) / 12;
    xy += (part * (ax * by + 2 * ax * ay + 2 * bx * by + bx * ay)) / 24;
  });
  const [x, y] = [sumX / area, sumY / area];
  const [a, b, c] = [xx / area - x * x, xy / area - x * y, yy / area - y * y];
  return { x: x + originX, y: y + originY, angle: Math.atan2(2 * b, a - c) / 2 };
}

// Which cells of the square from -1 to 1 have their center inside a closed line.
function filled(points) {
  const grid = new Uint8Array(GRID * GRID);
  for (let y = 0; y < GRID; y++) {
    const level = ((y + 0.5) * 2) / GRID - 1;
    const crossings = [];
    points.forEach(([ax, ay], index) => {
      const [bx, by] = points[(index + 1) % points.length];
      if (ay <= level != by <= level) crossings.push(ax + ((level - ay) / (by - ay)) * (bx - ax));
    });
    crossings.sort((a, b) => a - b);
    for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
      const begin = Math.ceil(((crossings[pair] + 1) * GRID) / 2 - 0.5);
      const end = Math.ceil(((crossings[pair + 1] + 1) * GRID) / 2 - 0.5);
      grid.fill(1, y * GRID + Math.max(0, begin), y * GRID + Math.min(GRID, end));
    }
  }
  return grid;
}
