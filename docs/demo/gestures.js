// Pointers, wheel and keys on the canvas: they move the image, or work the chosen tool.

const KEY_STEP = 12; // CSS pixels; a tenth of it with Shift.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `tool` gives the tool of now: { begin(point), move(point), end() }, or null to move the image.
export class Gestures {
  #canvas;
  #viewer;
  #tool;
  #pointers = new Map();
  #working = false;
  // Where the arrow keys or the mouse have put the tool, in CSS pixels of the canvas.
  #cursor = null;

  constructor(canvas, viewer, tool) {
    this.#canvas = canvas;
    this.#viewer = viewer;
    this.#tool = tool;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"])
      canvas.addEventListener(kind, (event) => this.#up(event));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    for (const kind of ["blur", "pointerleave"])
      canvas.addEventListener(kind, () => this.#forgetCursor());
  }

  // The place of the tool in the image, or null.
  get cursor() {
    return this.#cursor && this.#viewer.toImage(this.#cursor);
  }

  toolChanged() {
    this.#finish();
    this.#cursor = null;
    // On a touch screen, one finger scrolls the page as long as there is nothing to move.
    this.#canvas.style.touchAction = this.#tool() || !this.#viewer.isWhole ? "none" : "pan-y";
    this.#viewer.draw();
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.button != 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#place(event));
    if (this.#pointers.size > 1) this.#finish();
    else if (this.#tool()) this.#start(this.#place(event));
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    const now = this.#place(event);
    if (this.#tool() && event.pointerType == "mouse") {
      this.#cursor = now;
      this.#viewer.draw();
    }
    if (!before) return;
    if (this.#pointers.size == 2) this.#pinch(event.pointerId, before, now);
    else if (this.#working) this.#tool().move(this.#viewer.toImage(now));
    else if (!this.#tool()) this.#viewer.pan(now[0] - before[0], now[1] - before[1]);
    this.#pointers.set(event.pointerId, now);
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    this.#finish();
  }

  #pinch(moved, before, now) {
    const [, other] = [...this.#pointers].find(([id]) => id != moved);
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.#viewer.zoom(apart(now) / apart(before), middle);
    this.#viewer.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.#afterZoom();
  }

  #wheel(event) {
    event.preventDefault();
    this.#viewer.zoom(Math.exp(-event.deltaY / 400), this.#place(event));
    this.#afterZoom();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) this.#arrow(ARROWS[event.key], event.shiftKey ? 0.1 : 1);
    else if (event.key == "+" || event.key == "=") this.#viewer.zoom(1.25);
    else if (event.key == "-") this.#viewer.zoom(0.8);
    else if (event.key == "0") this.#viewer.fit();
    else if (event.key == " " && this.#tool()) this.#space();
    else return;
    event.preventDefault();
    this.#afterZoom();
  }

  #arrow([across, down], part) {
    const step = KEY_STEP * part;
    if (!this.#tool()) {
      this.#viewer.pan(-across * step * 3, -down * step * 3);
      return;
    }
    const [x, y] = this.#cursor ?? this.#middle();
    const inside = (value, room) => Math.min(room, Math.max(0, value));
    this.#cursor = [
      inside(x + across * step, this.#canvas.clientWidth),
      inside(y + down * step, this.#canvas.clientHeight),
    ];
    if (this.#working) this.#tool().move(this.cursor);
    this.#viewer.draw();
  }

  #space() {
    this.#cursor ??= this.#middle();
    if (this.#working) this.#finish();
    else this.#start(this.#cursor);
  }

  #middle() {
    return [this.#canvas.clientWidth / 2, this.#canvas.clientHeight / 2];
  }

  #start(place) {
    this.#working = true;
    this.#tool().begin(this.#viewer.toImage(place));
  }

  #finish() {
    if (!this.#working) return;
    this.#working = false;
    this.#tool()?.end();
  }

  #forgetCursor() {
    if (this.#pointers.size) return; // A stroke may leave the canvas and come back.
    this.#finish();
    this.#cursor = null;
    this.#viewer.draw();
  }

  #afterZoom() {
    this.#canvas.style.touchAction = this.#tool() || !this.#viewer.isWhole ? "none" : "pan-y";
  }
}
