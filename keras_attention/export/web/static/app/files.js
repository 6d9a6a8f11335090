// The files of the folder: fetched with progress, and refused where manifest.json lists others.

import { sha256 } from "./sha256.js";

const LARGEST_JSON = 2 ** 26;

// A problem that is told to the person as it is.
export class Problem extends Error {}

export class Files {
  // patience: seconds without a byte after which a file is given up.
  // told(received, total, slow): called as bytes arrive; slow if none came for a while.
  constructor(patience, told) {
    this.patience = patience;
    this.told = told;
    this.received = 0;
    this.total = 0;
    this.listed = null;
  }

  async manifest() {
    const bytes = await this.bytes("manifest.json", LARGEST_JSON);
    const manifest = parsed("manifest.json", bytes);
    if (manifest?.format_version !== 1 || manifest.format !== "web" || !manifest.files) {
      throw new Problem("manifest.json: expected a web export, format version 1.");
    }
    this.listed = manifest.files;
    return manifest;
  }

  // The sizes of files that will be fetched, so that progress knows its end.
  expect(names) {
    this.received = 0;
    this.total = names.reduce((sum, name) => sum + this.entry(name).size, 0);
  }

  entry(name) {
    const entry = Object.hasOwn(this.listed, name) ? this.listed[name] : null;
    if (!Number.isSafeInteger(entry?.size) || typeof entry.sha256 !== "string") {
      throw new Problem(`manifest.json: expected size and SHA-256 of ${name}.`);
    }
    return entry;
  }

  // The bytes of a listed file, checked.
  async read(name) {
    const { size, sha256: expected } = this.entry(name);
    const bytes = await this.bytes(name, size);
    if (bytes.length !== size || (await sha256(bytes)) !== expected) {
      throw new Problem(
        `${name}: expected the file that manifest.json lists, received another ` +
        `(${bytes.length} of ${size} bytes). The folder is damaged or of two versions.`,
      );
    }
    return bytes;
  }

  async json(name) {
    return parsed(name, await this.read(name));
  }

  async bytes(name, largest) {
    const stop = new AbortController();
    const slow = () => this.told(this.received, this.total, true);
    let timers = [];
    const restart = () => {
      timers.forEach(clearTimeout);
      timers = [
        setTimeout(slow, 250 * this.patience),
        setTimeout(() => stop.abort(), 1000 * this.patience),
      ];
    };
    restart();
    try {
      // A file that the browser kept is asked for again: it may be of an older export.
      const response = await fetch(name, { cache: "no-cache", signal: stop.signal });
      if (!response.ok) throw new Problem(`${name}: the server answered ${response.status}.`);
      return await this.body(name, response, largest, restart);
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem(stop.signal.aborted
        ? `${name}: no byte arrived for ${this.patience} seconds. The network may be slow or down.`
        : `${name} could not be fetched: ${error.message}.`);
    } finally {
      timers.forEach(clearTimeout);
    }
  }

  async body(name, response, largest, arrived) {
    const reader = response.body.getReader();
    const parts = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      arrived();
      parts.push(value);
      length += value.length;
      this.received += value.length;
      if (length > largest) {
        reader.cancel();
        throw new Problem(`${name}: expected ${largest} bytes, received more.`);
      }
      this.told(this.received, this.total, false);
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

function parsed(name, bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Problem(`${name}: expected JSON, received something else (${error.message}).`);
  }
}
