// The graphs as functions of the page; they run in worker.js.

import { Problem } from "./files.js";

// The seconds that one run may take.
const LONGEST_RUN = 120;

export class Model {
  constructor() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.count = 0;
    this.worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Problem(`The model cannot be run: ${error}`));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.end(`The model ended: ${event.message || "its script could not be loaded"}`);
    };
  }

  ask(command, values, moved = []) {
    if (this.ended) return Promise.reject(new Problem(this.ended));
    const id = this.count++;
    const told = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.worker.postMessage({ id, command, values }, moved);
    const late = setTimeout(
      () => this.end(`The model did not answer within ${LONGEST_RUN} seconds.`),
      1000 * LONGEST_RUN,
    );
    return told.finally(() => clearTimeout(late));
  }

  end(reason) {
    this.ended = reason;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(new Problem(reason));
    this.waiting.clear();
  }

  // Graphs by name, as bytes; the first time with the bytes of the runtime's WebAssembly.
  load(graphs, wasm = null) {
    const runtime = new URL("../runtime/ort.js", import.meta.url).href;
    const moved = [...Object.values(graphs), ...(wasm ? [wasm] : [])].map((bytes) => bytes.buffer);
    return this.ask("load", { runtime, wasm, graphs }, moved);
  }

  // Reads a source: tensors by name, each `{type, data, dims}`.
  read(source) {
    return this.ask("read", { source });
  }

  step(position, token) {
    return this.ask("step", { position, token });
  }

  beam(source, prefix) {
    return this.ask("beam", { source, prefix: Int32Array.from(prefix) });
  }
}
