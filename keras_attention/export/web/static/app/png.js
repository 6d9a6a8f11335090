// The pixels of a PNG file with opacity.
//
// Browsers multiply colours by opacity when they decode, and so lose them; the models read the
// colours, as Python does. PNG specification, second edition, sections 9 and 10.

const CHANNELS = { 4: 2, 6: 4 };

// RGBA data of a file whose header is known to be one of a PNG; null if it has no opacity of its
// own, or is interlaced.
export async function dataOfPng(bytes, { width, height }) {
  const [depth, type, , , interlaced] = bytes.subarray(24);
  const channels = CHANNELS[type];
  if (!channels || interlaced || (depth !== 8 && depth !== 16)) return null;
  const sample = depth / 8;
  const lines = await inflated(packed(bytes), height * (1 + width * channels * sample));
  unfilter(lines, height, width * channels * sample, channels * sample);
  const data = new Uint8ClampedArray(4 * width * height);
  const line = 1 + width * channels * sample;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0, at = y * line + 1; x < width; x++, at += channels * sample) {
      for (let c = 0; c < 3; c++) data[i++] = lines[at + (channels === 4 ? c * sample : 0)];
      data[i++] = 255;
    }
  }
  return data;
}

// The parts that hold the compressed pixels.
function packed(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return parts;
}

async function inflated(parts, size) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const whole = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const { done, value } = await reader.read();
    if (done) throw new Error("too few pixels");
    whole.set(value.subarray(0, size - length), length);
    length += value.length;
  }
  reader.cancel();
  return whole;
}

// Adds to every byte what its filter predicts from the bytes left of it and above it.
function unfilter(lines, height, width, step) {
  for (let y = 0; y < height; y++) {
    const begin = y * (width + 1) + 1;
    const filter = lines[begin - 1];
    for (let x = 0; x < width; x++) {
      const left = x < step ? 0 : lines[begin + x - step];
      const up = y ? lines[begin + x - width - 1] : 0;
      const corner = y && x >= step ? lines[begin + x - width - 1 - step] : 0;
      lines[begin + x] += predicted(filter, left, up, corner);
    }
  }
}

function predicted(filter, left, up, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter !== 4) throw new Error("an unknown filter");
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
