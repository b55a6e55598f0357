// Runs the networks, beside the page, so that it never stands still.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";
import { maskOf } from "./enlarge.js";
import { normalized } from "./normalize.js";
import { resizedPixels } from "./pixels.js";

const MOST_THREADS = 4;

ort.env.wasm.wasmPaths = { wasm: new URL("./runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
// Threads share memory, which browsers give only to pages that are isolated from all others.
ort.env.wasm.numThreads = self.crossOriginIsolated
  ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1)
  : 1;

const files = new Map();
const sessions = new Map();

// All files are fetched at once, so that nothing is asked of the network when one is chosen later.
async function load(networks, first) {
  for (const network of networks) files.set(network.name, fetched(network.file));
  await session(first);
  postMessage({ kind: "ready", threads: ort.env.wasm.numThreads });
  await Promise.all(files.values());
  postMessage({ kind: "loaded" });
}

async function fetched(file) {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`the network's file ${file} is not there (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

function session(name) {
  if (!sessions.has(name)) sessions.set(name, created(name));
  return sessions.get(name);
}

async function created(name) {
  return ort.InferenceSession.create(await files.get(name), { executionProviders: ["wasm"] });
}

async function segment({ id, bitmap, network }) {
  const running = await session(network.name);
  const begun = performance.now();
  const input = normalized(resizedPixels(bitmap, network.size), network.normalization);
  const prepared = performance.now();
  const tensor = new ort.Tensor("float32", input, [1, 3, ...network.size]);
  const { output } = await running.run({ images: tensor });
  const run = performance.now();
  const found = maskOf(output.data, network.size, bitmap, network.threshold);
  bitmap.close();
  const times = {
    prepare: prepared - begun,
    network: run - prepared,
    mask: performance.now() - run,
  };
  postMessage({ kind: "segmented", id, ...found, times }, [found.mask.buffer]);
}

self.onmessage = async ({ data }) => {
  try {
    if (data.kind == "load") await load(data.networks, data.first);
    else await segment(data);
  } catch (error) {
    postMessage({ kind: "failed", id: data.id, reason: String(error.message ?? error) });
  }
};
