// A photograph from the device's camera.

export class Camera {
  #stream = null;

  constructor(dialog, video, shoot, close, take, fail) {
    Object.assign(this, { dialog, video, take, fail });
    shoot.addEventListener("click", () => this.#shoot());
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.#stop());
  }

  async open() {
    if (!navigator.mediaDevices) {
      this.fail("This browser gives no camera to this page. Choose an image instead.");
      return;
    }
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        // The camera at the back of a phone, at its best.
        video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1440 } },
      });
    } catch (error) {
      this.fail(reason(error));
      return;
    }
    this.video.srcObject = this.#stream;
    this.dialog.showModal();
    await this.video.play();
  }

  async #shoot() {
    if (!this.video.videoWidth) return; // Its first frame has not come yet.
    const bitmap = await createImageBitmap(this.video);
    this.dialog.close();
    this.take(bitmap);
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = this.video.srcObject = null;
  }
}

function reason({ name }) {
  if (name == "NotAllowedError") return "The camera was not allowed. Allow it in the browser, or choose an image.";
  if (name == "NotFoundError") return "There is no camera. Choose an image instead.";
  return "The camera cannot be used just now; another program may have it. Choose an image instead.";
}
