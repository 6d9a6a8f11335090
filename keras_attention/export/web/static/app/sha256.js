// SHA-256 of bytes as hexadecimal digits.
//
// Browsers offer crypto.subtle over https and on localhost only; elsewhere it is computed here.

const FIRST = [2, 3, 5, 7, 11, 13, 17, 19].map((prime) => fraction(Math.sqrt(prime)));
const ROUNDS = primes(64).map((prime) => fraction(Math.cbrt(prime)));

export async function sha256(bytes) {
  if (globalThis.crypto?.subtle) {
    return hexadecimal(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  }
  return plainSha256(bytes);
}

// Without crypto.subtle; FIPS 180-4, section 6.2.
export function plainSha256(bytes) {
  const state = Int32Array.from(FIRST);
  const whole = bytes.length - (bytes.length % 64);
  const words = new Int32Array(64);
  for (let i = 0; i < whole; i += 64) absorb(state, words, bytes, i);
  const rest = bytes.length - whole;
  const last = new Uint8Array(rest < 56 ? 64 : 128);
  last.set(bytes.subarray(whole));
  last[rest] = 0x80;
  const size = new DataView(last.buffer);
  size.setUint32(last.length - 8, Math.floor(bytes.length / 2 ** 29));
  size.setUint32(last.length - 4, (bytes.length * 8) % 2 ** 32);
  for (let i = 0; i < last.length; i += 64) absorb(state, words, last, i);
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => digest.setInt32(4 * i, word));
  return hexadecimal(new Uint8Array(digest.buffer));
}

function absorb(state, w, bytes, begin) {
  for (let i = 0, j = begin; i < 16; i++, j += 4) {
    w[i] = (bytes[j] << 24) | (bytes[j + 1] << 16) | (bytes[j + 2] << 8) | bytes[j + 3];
  }
  for (let i = 16; i < 64; i++) {
    const a = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ (w[i - 15] >>> 3);
    const b = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ (w[i - 2] >>> 10);
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const high = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const one = (h + high + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
    const low = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0;
    d = c; c = b; b = a; a = (one + two) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
}

function turned(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}

function fraction(number) {
  return ((number % 1) * 2 ** 32) | 0;
}

function primes(count) {
  const found = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((prime) => n % prime)) found.push(n);
  }
  return found;
}

function hexadecimal(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
