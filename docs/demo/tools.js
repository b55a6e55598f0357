// The tools that work on the image: two brushes, and a ruler.

// Adds to the mask, or takes away from it.
export class BrushTool {
  #last = null;
  #trail = [];

  // `brush` gives the brush of the image of now, `radius` its size in pixels of the image;
  // `done` is called after each stroke.
  constructor(value, brush, radius, done, draw) {
    Object.assign(this, { value, brush, radius, done, draw });
  }

  begin(point) {
    this.#trail = [];
    this.brush().begin();
    this.#last = point;
    this.move(point);
  }

  move(point) {
    this.brush().paint(this.#last, point, this.radius(), this.value);
    this.#trail.push(point);
    this.#last = point;
    this.draw();
  }

  end() {
    this.#trail = [];
    this.brush().end();
    this.done();
  }

  // The stroke so far: the outline itself follows when it ends.
  mark(context, pixel, cursor) {
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.fillStyle =
      this.value ? "rgb(0 229 255 / 45%)" : "rgb(255 82 82 / 45%)";
    if (this.#trail.length) {
      context.lineWidth = 2 * this.radius();
      context.beginPath();
      context.moveTo(...this.#trail[0]);
      for (const point of this.#trail) context.lineTo(...point);
      context.stroke();
    }
    if (cursor) circle(context, cursor, this.radius(), pixel);
  }
}

// A line over a known length.
export class RulerTool {
  #line = null;

  constructor(done, draw) {
    Object.assign(this, { done, draw });
  }

  // Length in pixels, or null where there is no line.
  get length() {
    if (!this.#line) return null;
    const [[ax, ay], [bx, by]] = this.#line;
    return Math.hypot(bx - ax, by - ay);
  }

  clear() {
    this.#line = null;
  }

  begin(point) {
    this.#line = [point, point];
    this.draw();
  }

  move(point) {
    this.#line = [this.#line[0], point];
    this.draw();
  }

  end() {
    if (this.length < 2) this.clear();
    this.done();
  }

  mark(context, pixel, cursor) {
    if (cursor) circle(context, cursor, 6 * pixel, pixel);
    if (!this.#line) return;
    const [[ax, ay], [bx, by]] = this.#line;
    const along = Math.hypot(bx - ax, by - ay) || 1;
    const [sideX, sideY] = [(-(by - ay) / along) * 7 * pixel, ((bx - ax) / along) * 7 * pixel];
    for (const [color, width] of [
      ["rgb(0 0 0 / 60%)", 5],
      ["#ffd54f", 2.5],
    ]) {
      context.strokeStyle = color;
      context.lineWidth = width * pixel;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
      for (const [x, y] of this.#line) {
        context.moveTo(x - sideX, y - sideY);
        context.lineTo(x + sideX, y + sideY);
      }
      context.stroke();
    }
  }
}

function circle(context, [x, y], radius, pixel) {
  for (const [color, width] of [
    ["black", 3],
    ["white", 1.5],
  ]) {
    context.strokeStyle = color;
    context.lineWidth = width * pixel;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }
}
