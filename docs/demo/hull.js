// The convex hull of points, and how long and how wide it is.

// Return the hull's corners in order (monotone chain).
export function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (all) => {
    const chain = [];
    for (const point of all) {
      while (chain.length > 1 && cross(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function cross([ax, ay], [bx, by], [cx, cy]) {
  return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

// Feret diameters: the longest distance of two points, and the least distance of two parallel
// lines with everything between them.
export function diameters(corners) {
  let longest = 0;
  for (const [ax, ay] of corners)
    for (const [bx, by] of corners) longest = Math.max(longest, Math.hypot(bx - ax, by - ay));
  let least = Infinity;
  corners.forEach((a, index) => {
    const b = corners[(index + 1) % corners.length];
    const side = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (side == 0) return;
    const reach = Math.max(...corners.map((corner) => Math.abs(cross(a, b, corner)) / side));
    least = Math.min(least, reach);
  });
  return { longest, least: Number.isFinite(least) ? least : 0 };
}

// Area inside a closed line (shoelace formula).
export function polygonArea(points) {
  let doubled = 0;
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length];
    doubled += x * nextY - nextX * y;
  });
  return Math.abs(doubled) / 2;
}
