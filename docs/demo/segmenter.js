// The networks, as the page sees them: an image in, a mask out.

export class Segmenter {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #count = 0;

  // Resolves when the first network is ready, to the number of threads; `loaded` when all are here.
  constructor(networks, first) {
    this.ready = this.#answer("ready");
    this.loaded = this.#answer("loaded");
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) =>
      this.#receive({ kind: "failed", reason: event.message || "the page's files are incomplete" });
    this.#worker.postMessage({ kind: "load", networks, first });
  }

  // Return { mask, area, confidence, times } of an ImageBitmap, which stays as it is.
  async segment(bitmap, network) {
    const copy = await createImageBitmap(bitmap);
    const id = ++this.#count;
    const answer = this.#answer(id);
    this.#worker.postMessage({ kind: "segment", id, bitmap: copy, network }, [copy]);
    return answer;
  }

  #answer(key) {
    const promise = new Promise((resolve, reject) => this.#waiting.set(key, { resolve, reject }));
    promise.catch(() => {}); // Whoever waits for it is told; nobody may be waiting yet.
    return promise;
  }

  #receive(data) {
    if (data.kind == "failed" && data.id === undefined) {
      for (const { reject } of this.#waiting.values()) reject(new Error(data.reason));
      return;
    }
    const key = data.id ?? data.kind;
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (data.kind == "failed") waiting?.reject(new Error(data.reason));
    else waiting?.resolve(data);
  }
}
