// Figures that follow from the outline alone; lengths are in pixels.

import { asymmetry } from "./asymmetry.js";
import { diameters, hull, polygonArea } from "./hull.js";

// Points that stand for an outline once its steps from pixel to pixel are smoothed away.
const SMOOTH_POINTS = 360;

// Return figures of the largest part, and how many parts there are; null of an empty mask.
export function shapeOf(lines) {
  const parts = lines.filter((line) => !line.hole);
  if (!parts.length) return null;
  const largest = parts.reduce((a, b) => (b.area > a.area ? b : a));
  const corners = hull(largest.points);
  const border = smoothed(largest.points);
  const length = perimeter(border);
  const area = polygonArea(border);
  const inside = polygonArea(largest.points);
  return {
    parts: parts.length,
    asymmetry: asymmetry(largest.points),
    border: {
      length,
      // 1 for a circle; any other outline is longer for its area.
      compactness: Math.max(1, length ** 2 / (4 * Math.PI * area)),
      // 1 for a shape without dents.
      solidity: Math.min(1, inside / polygonArea(corners)),
    },
    diameters: diameters(corners),
  };
}

// Points at equal distances along a line, each the mean of its neighborhood.
function smoothed(points) {
  const total = perimeter(points);
  const count = Math.min(SMOOTH_POINTS, Math.max(12, Math.round(total / 2)));
  const even = [];
  let [gone, index] = [0, 0];
  for (let made = 0; made < count; made++) {
    const wanted = (made * total) / count;
    for (;;) {
      const [a, b] = [points[index % points.length], points[(index + 1) % points.length]];
      const side = Math.hypot(b[0] - a[0], b[1] - a[1]);
      if (gone + side >= wanted || index >= points.length) {
        const part = side ? (wanted - gone) / side : 0;
        even.push([a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])]);
        break;
      }
      gone += side;
      index++;
    }
  }
  return even.map((_, at) => {
    const around = [-1, 0, 1].map((step) => even[(at + step + count) % count]);
    return [0, 1].map((axis) => (around[0][axis] + 2 * around[1][axis] + around[2][axis]) / 4);
  });
}

function perimeter(points) {
  let length = 0;
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length];
    length += Math.hypot(nextX - x, nextY - y);
  });
  return length;
}
