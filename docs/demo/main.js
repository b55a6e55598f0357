// The page: puts the parts together.

import { Brush } from "./brush.js";
import { Camera } from "./camera.js";
import { outlines } from "./contour.js";
import { showFigures, showTime, spoken } from "./figures.js";
import { percent, whole } from "./format.js";
import { Gestures } from "./gestures.js";
import { ImageError, opened, receiveFiles } from "./intake.js";
import { keepOffline, offerInstall } from "./offline.js";
import { outlineJson, outlineSvg } from "./outline_files.js";
import { maskPng } from "./png.js";
import { save, stem } from "./save.js";
import { Scale } from "./scale.js";
import { Segmenter } from "./segmenter.js";
import { shapeOf } from "./shape.js";
import { BrushTool, RulerTool } from "./tools.js";
import { Viewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);

const HINTS = {
  add: "Draw over what belongs to the lesion.",
  erase: "Draw over what does not belong to it.",
  ruler: "Draw a line over a known length, such as a ruler's, and enter the length under Scale.",
};

const LOST = "Another network draws the outline anew, and your corrections are lost. Go on?";

let networks = [];
let segmenter = null;
let threads = 1;
let image = null; // { bitmap, name }
let result = null; // What was found in it, and corrected.
let brush = null;
let taken = 0; // Files so far, and outlines that were asked for.
let asked = 0;

const viewer = new Viewer(byId("view"));
const scale = new Scale(byId("width-mm"), byId("ruler-mm"), () => result && refreshFigures());
const draw = () => viewer.draw();
// In pixels of the image: the brush keeps its size on the screen.
const radius = () => Number(byId("brush").value) / viewer.scale;
const tools = {
  move: null,
  add: new BrushTool(1, () => brush, radius, corrected, draw),
  erase: new BrushTool(0, () => brush, radius, corrected, draw),
  ruler: new RulerTool(measured, draw),
};
const chosenTool = () => tools[document.querySelector("[name=tool]:checked").value];
const gestures = new Gestures(byId("view"), viewer, () => (result ? chosenTool() : null));
viewer.drawMarks = (context, pixel) => {
  tools.ruler.mark(context, pixel, null);
  chosenTool()?.mark(context, pixel, gestures.cursor);
};

async function take(file) {
  const ticket = ++taken;
  try {
    const bitmap = await opened(file);
    if (ticket == taken) await use(bitmap, file.name || "pasted.png");
    else bitmap.close(); // Another one was given meanwhile.
  } catch (error) {
    fail(error);
  }
}

async function use(bitmap, name) {
  clearError();
  image?.bitmap.close();
  image = { bitmap, name };
  result = brush = null;
  byId("panel").inert = true; // There is nothing to show, or to save, yet.
  scale.forget(bitmap.width);
  tools.ruler.clear();
  byId("start").hidden = true;
  byId("work").hidden = byId("another").hidden = false;
  // Until the outline is there, the stage has the image's form.
  byId("stage").style.setProperty("--ratio", bitmap.width / bitmap.height);
  viewer.show(bitmap);
  chooseTool("move");
  scrollTo({ top: 0 });
  await outline();
  byId("view").focus({ preventScroll: true });
}

async function outline() {
  const ticket = ++asked;
  const network = networks.find(({ name }) => name == byId("network").value);
  busy(segmenter.isReady ? "Outlining" : "Loading the network");
  try {
    ({ threads } = await segmenter.ready);
    segmenter.isReady = true;
    const found = await segmenter.segment(image.bitmap, network);
    if (ticket != asked) return; // Another image came meanwhile.
    const { width, height } = image.bitmap;
    result = { ...found, width, height, network, corrected: false };
    brush = new Brush(result.mask, width, height);
    refreshOutline();
    showTime(found.times, threads);
    say(spoken(result, scale.millimeters));
  } finally {
    if (ticket == asked) busy(null);
  }
}

function refreshOutline() {
  result.lines = outlines(result.mask, result.width, result.height);
  result.shape = shapeOf(result.lines);
  viewer.setOutlines(result.lines);
  byId("undo").disabled = !brush.canUndo;
  byId("redo").disabled = !brush.canRedo;
  refreshFigures();
  byId("panel").inert = false;
  document.body.dataset.state = "outlined";
}

function refreshFigures() {
  showFigures(result, scale.millimeters);
}

function corrected() {
  result.corrected = brush.canUndo;
  result.area = result.mask.reduce((sum, value) => sum + value, 0);
  refreshOutline();
  say(spoken(result, scale.millimeters));
}

function measured() {
  scale.measured(tools.ruler.length);
  if (tools.ruler.length !== null) byId("ruler-mm").focus();
}

function chooseTool(name) {
  document.querySelector(`[name=tool][value=${name}]`).checked = true;
  const painting = name == "add" || name == "erase";
  byId("brush-label").hidden = !painting;
  byId("corrections").hidden = !painting && !brush?.canUndo && !brush?.canRedo;
  byId("hint").textContent = HINTS[name] ?? "";
  byId("hint").hidden = !HINTS[name];
  byId("stage").dataset.tool = name;
  gestures.toolChanged();
}

function busy(text) {
  byId("busy").hidden = text === null;
  if (text === null) return;
  byId("busy-text").textContent = text;
  document.body.dataset.state = "busy";
}

function say(text) {
  byId("status").textContent = text;
}

function fail(error) {
  byId("error-text").textContent =
    error instanceof ImageError
      ? error.message
      : `The image could not be outlined: ${error.message}. Reload the page, and try again.`;
  byId("error").hidden = false;
}

function clearError() {
  byId("error").hidden = true;
}

function another() {
  byId("work").hidden = byId("another").hidden = true;
  byId("start").hidden = false;
  byId("choose").focus();
}

function describeNetwork() {
  const network = networks.find(({ name }) => name == byId("network").value);
  byId("network-facts").textContent =
    `${whole(network.parameters)} parameters; on ISIC 2017's validation images it overlaps with ` +
    `the experts' outlines by ${percent(network.iou, 0)} (IoU).`;
}

function showNetworks() {
  for (const { name, title } of networks) byId("network").append(new Option(title, name));
  describeNetwork();
  byId("network").addEventListener("change", () => {
    if (result?.corrected && !confirm(LOST)) {
      byId("network").value = result.network.name;
      return;
    }
    describeNetwork();
    outline().catch(fail);
  });
}

// The samples' files are kept, so that nothing is asked of the network when one is chosen.
async function showSamples(samples) {
  const files = await Promise.all(
    samples.map(async (name) => new File([await (await fetch(name)).blob()], stem(name.split("/").pop()) + ".jpg")),
  );
  files.forEach((file, index) => {
    const picture = Object.assign(new Image(256, 256), { src: URL.createObjectURL(file), alt: "" });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.setAttribute("aria-label", `Drawn lesion ${index + 1}`);
    button.append(picture);
    button.addEventListener("click", () => take(file));
    const item = document.createElement("li");
    item.append(button);
    byId("samples").append(item);
  });
}

function connect() {
  const camera = new Camera(
    byId("camera"), byId("video"), byId("shoot"), byId("camera-close"),
    (bitmap) => use(bitmap, "photo.png").catch(fail),
    (reason) => fail(new ImageError(reason)),
  );
  receiveFiles(byId("file"), take);
  const clicks = {
    choose: () => byId("file").click(),
    photograph: () => camera.open(),
    another,
    "zoom-in": () => viewer.zoom(1.5),
    "zoom-out": () => viewer.zoom(1 / 1.5),
    "zoom-fit": () => viewer.fit(),
    undo: () => (brush.undo(), corrected()),
    redo: () => (brush.redo(), corrected()),
    "error-close": clearError,
    "save-mask": async () =>
      save(await maskPng(result.mask, result.width, result.height), `${stem(image.name)}_mask.png`),
    "save-svg": () =>
      save(
        outlineSvg(result.lines, result.width, result.height),
        `${stem(image.name)}_outline.svg`,
        "image/svg+xml",
      ),
    "save-json": () =>
      save(
        outlineJson({
          ...result,
          image: { name: image.name, width: result.width, height: result.height },
          millimetersPerPixel: scale.millimeters,
        }),
        `${stem(image.name)}_outline.json`,
        "application/json",
      ),
  };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
  byId("opacity").addEventListener("input", () => {
    viewer.opacity = Number(byId("opacity").value) / 100;
    viewer.draw();
  });
  for (const radio of document.querySelectorAll("[name=tool]"))
    radio.addEventListener("change", () => chooseTool(radio.value));
}

async function begin() {
  connect();
  offerInstall(byId("install"));
  const page = await (await fetch("page.json")).json();
  networks = page.networks;
  byId("credits").textContent =
    `skinseg ${page.version}; networks run in ONNX Runtime Web ${page.runtime} (MIT license).`;
  showNetworks();
  segmenter = new Segmenter(networks, networks[0].name);
  await Promise.all([showSamples(page.samples), segmenter.loaded]);
  document.body.dataset.loaded = "yes";
  const cached = () => {
    byId("offline").hidden = false;
    document.body.dataset.offline = "yes";
  };
  await keepOffline(cached, () => image === null);
}

begin().catch(fail);
