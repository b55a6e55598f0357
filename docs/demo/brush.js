// Correcting a mask by hand, with a way back.

const MOST_STEPS = 50;

export class Brush {
  #undone = [];
  #done = [];
  #stroke = null;

  // `mask` is uint8 (height, width) of 0 and 1, and is painted on.
  constructor(mask, width, height) {
    Object.assign(this, { mask, width, height });
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  begin() {
    this.#stroke = { box: null, before: this.mask.slice() };
  }

  // Paint a line with round ends, from one place to another.
  paint([fromX, fromY], [toX, toY], radius, value) {
    const left = Math.max(0, Math.floor(Math.min(fromX, toX) - radius));
    const right = Math.min(this.width - 1, Math.ceil(Math.max(fromX, toX) + radius));
    const top = Math.max(0, Math.floor(Math.min(fromY, toY) - radius));
    const bottom = Math.min(this.height - 1, Math.ceil(Math.max(fromY, toY) + radius));
    if (left > right || top > bottom) return;
    const [alongX, alongY] = [toX - fromX, toY - fromY];
    const squared = alongX ** 2 + alongY ** 2 || 1;
    for (let y = top; y <= bottom; y++)
      for (let x = left; x <= right; x++) {
        const [besideX, besideY] = [x + 0.5 - fromX, y + 0.5 - fromY];
        const part = Math.min(1, Math.max(0, (besideX * alongX + besideY * alongY) / squared));
        if (Math.hypot(besideX - part * alongX, besideY - part * alongY) <= radius)
          this.mask[y * this.width + x] = value;
      }
    const box = this.#stroke.box ?? [left, top, right, bottom];
    this.#stroke.box = [
      Math.min(box[0], left),
      Math.min(box[1], top),
      Math.max(box[2], right),
      Math.max(box[3], bottom),
    ];
  }

  // End the stroke; what it changed is kept, to be taken back.
  end() {
    const { box, before } = this.#stroke;
    this.#stroke = null;
    if (!box) return;
    this.#done.push({ box, pixels: this.#cut(before, box) });
    if (this.#done.length > MOST_STEPS) this.#done.shift();
    this.#undone = [];
  }

  undo() {
    this.#exchange(this.#done, this.#undone);
  }

  redo() {
    this.#exchange(this.#undone, this.#done);
  }

  #cut(mask, [left, top, right, bottom]) {
    const rows = [];
    for (let y = top; y <= bottom; y++)
      rows.push(mask.slice(y * this.width + left, y * this.width + right + 1));
    return rows;
  }

  #exchange(from, to) {
    const step = from.pop();
    if (!step) return;
    to.push({ box: step.box, pixels: this.#cut(this.mask, step.box) });
    const [left, top] = step.box;
    step.pixels.forEach((row, index) => this.mask.set(row, (top + index) * this.width + left));
  }
}
