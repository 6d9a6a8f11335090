// An image file as the model reads it: decoded by the browser, resized as in Python.

import { Problem } from "./files.js";
import { dataOfPng } from "./png.js";

const LARGEST_FILE = 2 ** 26;
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

// A JPEG or PNG file of at most `pixels` pixels: its bitmap, and its RGBA data.
export async function imageOf(file, pixels) {
  if (file.size > LARGEST_FILE) {
    throw new Problem(`Image: expected at most ${LARGEST_FILE} bytes, received ${file.size}.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const size = sizeOf(bytes);
  if (!size) throw new Problem("Image: expected a JPEG or PNG file, received something else.");
  if (!(size.width * size.height <= pixels)) {
    throw new Problem(
      `Image: expected at most ${pixels} pixels, received ${size.width} x ${size.height}.`);
  }
  try {
    // As in Python: no correction of colours, and not turned as EXIF would have it.
    const bitmap = await createImageBitmap(file, {
      colorSpaceConversion: "none", imageOrientation: "none", premultiplyAlpha: "none",
    });
    return { bitmap, data: await dataOf(bitmap, bytes) };
  } catch {
    throw new Problem("Image: expected a whole JPEG or PNG file, received a damaged one.");
  }
}

// Width and height that a file claims, before it is decoded; null if it is no JPEG or PNG.
export function sizeOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (PNG.every((byte, i) => bytes[i] === byte) && bytes.length >= 24) {
    return { width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xff) { at += 1; continue; }
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

async function dataOf(bitmap, bytes) {
  const whole = bytes[0] === PNG[0] ? await dataOfPng(bytes, bitmap) : null;
  if (whole) return whole;
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

// Pixels `(1, height, width, 3)`, numbers from 0 to 255.
export function pixelsOf({ bitmap, data }, height, width) {
  const colours = new Float32Array(3 * bitmap.width * bitmap.height);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    colours[j++] = data[i];
    colours[j++] = data[i + 1];
    colours[j++] = data[i + 2];
  }
  const narrow = resized(colours, bitmap.height, bitmap.width, 3, width);
  const turned = resized(narrow, 1, bitmap.height, 3 * width, height);
  const found = turned.map((value) => rounded(Math.min(Math.max(value, 0), 255)));
  return { type: "float32", data: found, dims: [1, height, width, 3] };
}

// To the nearest whole number, of two the even one, as Python and TensorFlow do.
function rounded(value) {
  const below = Math.floor(value);
  if (value - below === 0.5) return below + (below % 2);
  return Math.round(value);
}

// `(rows, from, channels)` to `(rows, to, channels)`: bilinear, with antialiasing.
export function resized(data, rows, from, channels, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const out = new Float32Array(rows * to * channels);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach));
    const last = Math.min(from, Math.ceil(centre + reach));
    const weights = [];
    for (let j = first; j < last; j++) {
      weights.push(Math.max(0, 1 - Math.abs(j + 0.5 - centre) / reach));
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let row = 0; row < rows; row++) {
      const into = (row * to + i) * channels;
      weights.forEach((weight, k) => {
        const source = (row * from + first + k) * channels;
        for (let c = 0; c < channels; c++) out[into + c] += (weight / sum) * data[source + c];
      });
    }
  }
  return out;
}
