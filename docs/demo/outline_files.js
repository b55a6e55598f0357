// The outline as SVG and as JSON.

// Return SVG text: the outline alone, in pixels of the image, to be laid over it.
export function outlineSvg(lines, width, height) {
  const thickness = Math.max(2, Math.min(width, height) / 200);
  const path = lines.map(({ points }) => `M${points.map((p) => p.join(",")).join("L")}Z`).join("");
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}"><path fill="none" fill-rule="evenodd" stroke="#00e5ff" ` +
    `stroke-width="${thickness}" stroke-linejoin="round" d="${path}"/></svg>\n`
  );
}

// Return JSON text with the outline and all figures.
export function outlineJson(result) {
  const { image, network, corrected, area, confidence, millimetersPerPixel, shape, lines } = result;
  const data = {
    note: "For research; not a medical device. The outline says where a network sees a lesion.",
    image,
    network: network.name,
    corrected_by_hand: corrected,
    area_pixels: area,
    area_fraction: area / (image.width * image.height),
    area_mm2: millimetersPerPixel === null ? null : area * millimetersPerPixel ** 2,
    mm_per_pixel: millimetersPerPixel,
    confidence_of_network: confidence,
    shape: shape && shapeFigures(shape),
    outlines: lines.map(({ points, hole }) => ({ hole, points })),
  };
  return JSON.stringify(data, null, 1) + "\n";
}

function shapeFigures({ parts, asymmetry, border, diameters }) {
  return {
    parts,
    asymmetry_long_axis: asymmetry.long,
    asymmetry_short_axis: asymmetry.short,
    border_length_pixels: border.length,
    compactness: border.compactness,
    solidity: border.solidity,
    longest_diameter_pixels: diameters.longest,
    least_width_pixels: diameters.least,
  };
}
