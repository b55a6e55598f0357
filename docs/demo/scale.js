// How long a pixel is: from the width of the image, or from a line over a known length.

export class Scale {
  millimeters = null; // The length of a pixel.

  constructor(widthField, rulerField, changed) {
    Object.assign(this, { widthField, rulerField, changed });
    this.imageWidth = 0;
    this.rulerLength = null;
    widthField.addEventListener("input", () => this.#set(widthField, this.imageWidth));
    rulerField.addEventListener("input", () => this.#set(rulerField, this.rulerLength));
  }

  // Another image: nothing is known of it.
  forget(imageWidth) {
    this.imageWidth = imageWidth;
    this.millimeters = null;
    this.widthField.value = this.rulerField.value = "";
    this.measured(null);
  }

  // A line was drawn, of a length in pixels; or there is none.
  measured(pixels) {
    this.rulerLength = pixels;
    this.rulerField.closest("label").hidden = pixels === null;
    if (pixels !== null && this.rulerField.value) this.#set(this.rulerField, pixels);
  }

  #set(field, pixels) {
    const entered = Number(field.value);
    this.millimeters = entered > 0 && pixels ? entered / pixels : null;
    if (field == this.rulerField && this.millimeters !== null)
      this.widthField.value = (this.millimeters * this.imageWidth).toPrecision(4);
    else this.rulerField.value = "";
    this.changed();
  }
}
