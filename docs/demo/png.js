// A mask as an 8-bit grayscale PNG file, 255 for lesion, as `skinseg predict` writes it.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

// Return a Blob of a mask, uint8 (height, width) of 0 and 1.
export async function maskPng(mask, width, height) {
  const rows = new Uint8Array(height * (width + 1)); // Each row after a zero: no filter.
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = mask[y * width + x] && 255;
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // Bits; the zeros after it are gray and the usual methods.
  const parts = [
    new Uint8Array(SIGNATURE),
    ...chunk("IHDR", new Uint8Array(header.buffer)),
    ...chunk("IDAT", await deflated(rows)),
    ...chunk("IEND", new Uint8Array()),
  ];
  return new Blob(parts, { type: "image/png" });
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(kind, data) {
  const name = new TextEncoder().encode(kind);
  return [bigEndian(data.length), name, data, bigEndian(crc32([name, data]))];
}

function bigEndian(value) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return new Uint8Array(view.buffer);
}

function crc32(parts) {
  let crc = ~0;
  for (const part of parts)
    for (const byte of part) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  return ~crc >>> 0;
}
