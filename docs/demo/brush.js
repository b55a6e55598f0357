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

  // Paint a line as thick as a disk of that radius, from one place to another.
  paint([fromX, fromY], [toX, toY], radius, value) {
    const steps = Math.ceil(Math.hypot(toX - fromX, toY - fromY) / Math.max(1, radius / 2)) || 1;
    for (let step = 0; step <= steps; step++) {
      const part = step / steps;
      this.#disk(fromX + part * (toX - fromX), fromY + part * (toY - fromY), radius, value);
    }
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

  #disk(centerX, centerY, radius, value) {
    const left = Math.max(0, Math.ceil(centerX - radius - 0.5));
    const right = Math.min(this.width - 1, Math.floor(centerX + radius - 0.5));
    const top = Math.max(0, Math.ceil(centerY - radius - 0.5));
    const bottom = Math.min(this.height - 1, Math.floor(centerY + radius - 0.5));
    if (left > right || top > bottom) return;
    for (let y = top; y <= bottom; y++)
      for (let x = left; x <= right; x++)
        if (Math.hypot(x + 0.5 - centerX, y + 0.5 - centerY) <= radius)
          this.mask[y * this.width + x] = value;
    const box = this.#stroke.box ?? [left, top, right, bottom];
    this.#stroke.box = [
      Math.min(box[0], left),
      Math.min(box[1], top),
      Math.max(box[2], right),
      Math.max(box[3], bottom),
    ];
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
