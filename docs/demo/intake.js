// Where images come from: dropped, pasted, chosen, or a sample; and what is refused, with a reason.

const MOST_PIXELS = 100_000_000;
const LEAST_SIDE = 8;
const OTHERWISE = "Choose a PNG, JPEG or WebP file.";

export class ImageError extends Error {}

// Return an ImageBitmap of a file, upright, with the pixels as they are stored.
export async function opened(file) {
  const name = file.name || "The image";
  if (file.size == 0) throw new ImageError(`${name} is empty. Copy or download it again.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new ImageError(
      file.type.startsWith("image/")
        ? `${name} is damaged, or of a kind that this browser cannot open. ${OTHERWISE}`
        : `${name} is not an image. ${OTHERWISE}`,
    );
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS)
    throw new ImageError(
      `${name} has ${(width * height) / 1e6} million pixels; at most 100 can be used. Scale it down.`,
    );
  if (Math.min(width, height) < LEAST_SIDE)
    throw new ImageError(
      `${name} is ${width} x ${height} pixels; a lesion needs at least ${LEAST_SIDE} x ${LEAST_SIDE}.`,
    );
  return bitmap;
}

// Call `take` with each file that is dropped on the page, pasted, or chosen.
export function receiveFiles(input, take) {
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = ""; // So that the same file can be chosen again.
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files][0];
    if (file) take(file);
  });
  const over = (on) => document.body.classList.toggle("dragging", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const file = event.dataTransfer.files[0];
    if (file) take(file);
  });
}
