// Draws the image, its outline and the tools' marks on the canvas; knows zoom and place.

const MOST_ZOOM = 40; // Screen pixels per pixel of the image.
const LINE = "#00e5ff"; // No skin or lesion is cyan,
const EDGE = "rgb(0 0 0 / 60%)"; // and dark edges keep it apart from highlights.

export class Viewer {
  #canvas;
  #context;
  #bitmap = null;
  #path = null;
  #scale = 1;
  #left = 0;
  #top = 0;
  #asked = false;
  #zoomed = false;

  opacity = 1;
  // Called with the context and the size of a screen pixel, in pixels of the image.
  drawMarks = () => {};

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#resized()).observe(canvas);
  }

  get isWhole() {
    return !this.#zoomed;
  }

  get scale() {
    return this.#scale;
  }

  show(bitmap) {
    this.#bitmap = bitmap;
    this.#path = null;
    this.fit();
  }

  setOutlines(lines) {
    this.#path = new Path2D();
    for (const { points } of lines) {
      points.forEach(([x, y], index) => this.#path[index ? "lineTo" : "moveTo"](x, y));
      this.#path.closePath();
    }
    this.draw();
  }

  fit() {
    if (!this.#bitmap) return;
    this.#scale = this.#wholeScale();
    this.#zoomed = false;
    this.#left = this.#top = 0;
    this.#keepInView();
    this.draw();
  }

  // Zoom, with a place of the canvas (in CSS pixels) staying where it is.
  zoom(factor, at = [this.#canvas.clientWidth / 2, this.#canvas.clientHeight / 2]) {
    if (!this.#bitmap) return;
    const [x, y] = this.toImage(at);
    const whole = this.#wholeScale();
    this.#scale = Math.max(whole, Math.min(MOST_ZOOM, this.#scale * factor));
    this.#zoomed = this.#scale > whole;
    this.#left = at[0] - x * this.#scale;
    this.#top = at[1] - y * this.#scale;
    this.#keepInView();
    this.draw();
  }

  pan(across, down) {
    this.#left += across;
    this.#top += down;
    this.#keepInView();
    this.draw();
  }

  toImage([x, y]) {
    return [(x - this.#left) / this.#scale, (y - this.#top) / this.#scale];
  }

  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #wholeScale() {
    const { clientWidth, clientHeight } = this.#canvas;
    return Math.min(clientWidth / this.#bitmap.width, clientHeight / this.#bitmap.height);
  }

  #keepInView() {
    const inside = (start, length, room) =>
      length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, start));
    const { clientWidth, clientHeight } = this.#canvas;
    this.#left = inside(this.#left, this.#bitmap.width * this.#scale, clientWidth);
    this.#top = inside(this.#top, this.#bitmap.height * this.#scale, clientHeight);
  }

  #resized() {
    const ratio = window.devicePixelRatio;
    this.#canvas.width = Math.round(this.#canvas.clientWidth * ratio);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * ratio);
    if (!this.#bitmap) return;
    if (this.#zoomed) this.zoom(1);
    else this.fit();
  }

  #paint() {
    const context = this.#context;
    const ratio = window.devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!this.#bitmap) return;
    const scale = this.#scale * ratio;
    context.setTransform(scale, 0, 0, scale, this.#left * ratio, this.#top * ratio);
    context.imageSmoothingEnabled = this.#scale < 4;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#bitmap, 0, 0);
    if (this.#path) this.#stroke(context);
    this.drawMarks(context, 1 / this.#scale);
  }

  #stroke(context) {
    context.lineJoin = "round";
    context.globalAlpha = this.opacity;
    for (const [color, width] of [
      [EDGE, 5],
      [LINE, 2.5],
    ]) {
      context.strokeStyle = color;
      context.lineWidth = width / this.#scale;
      context.stroke(this.#path);
    }
    context.globalAlpha = 1;
  }
}
