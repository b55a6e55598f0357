// Writes what was found into the panel.

import { digits, length, percent, whole } from "./format.js";

const put = (id, text) => (document.getElementById(id).textContent = text);

// Show area, shape and confidence; `millimeters` is the length of a pixel, or null.
export function showFigures(result, millimeters) {
  const { area, width, height, confidence, corrected, shape } = result;
  const pixels = `${whole(area)} px`;
  const fraction = `${percent(area / (width * height))} of the image`;
  if (millimeters === null) {
    put("area", pixels);
    put("area-under", fraction);
  } else {
    put("area", `${digits(area * millimeters ** 2, 1)} mm²`);
    put("area-under", `${pixels}, ${fraction}`);
  }
  put("confidence-label", corrected ? "Confidence before correction" : "Confidence");
  put("confidence", digits(confidence));
  document.getElementById("confidence-meter").value = confidence;
  showShape(shape, millimeters);
}

function showShape(shape, millimeters) {
  put("asymmetry-long", shape ? percent(shape.asymmetry.long) : "–");
  put("asymmetry-short", shape ? percent(shape.asymmetry.short) : "–");
  put("compactness", shape ? digits(shape.border.compactness) : "–");
  put("solidity", shape ? percent(shape.border.solidity) : "–");
  put("longest", shape ? length(shape.diameters.longest, millimeters) : "–");
  put("least", shape ? length(shape.diameters.least, millimeters) : "–");
  put("parts", shape ? shape.parts : "0");
}

export function showTime({ prepare, network, mask }, threads) {
  const total = whole(prepare + network + mask);
  const cores = threads == 1 ? "1 thread" : `${threads} threads`;
  put("time", `${total} ms on this device, the network ${whole(network)} ms (${cores})`);
}

// What a reader of a screen hears when an outline is there.
export function spoken(result, millimeters) {
  if (!result.area) return "No lesion found.";
  const area = document.getElementById("area").textContent;
  const size = millimeters === null ? area.replace("px", "pixels") : area;
  return (
    `Lesion outlined. Area ${size}, ${percent(result.area / (result.width * result.height))} of ` +
    `the image. Confidence ${digits(result.confidence)}.`
  );
}
