// Checks the browser and every file, then starts the page; what goes wrong is told in the page.

import { Files, Problem } from "./files.js";

const main = document.getElementById("main");
const loading = document.getElementById("loading");
const failure = document.getElementById("error");

document.getElementById("late").remove();
failure.querySelector("button").addEventListener("click", () => location.reload());
window.addEventListener("error", (event) => fail(event.error ?? event));
window.addEventListener("unhandledrejection", (event) => fail(event.reason));

try {
  await start();
} catch (error) {
  fail(error);
}

async function start() {
  if (typeof WebAssembly !== "object") {
    throw new Problem("This browser has no WebAssembly, or it is switched off; the model needs it.");
  }
  if (typeof Worker !== "function") {
    throw new Problem("This browser has no web workers; the model runs in one.");
  }
  const files = new Files(Number(main.dataset.patience), told);
  const manifest = await files.manifest();
  const names = Object.keys(manifest.files);
  const code = names.filter((name) => name.startsWith("app/"));
  const graphs = names.filter((name) => name.endsWith(".onnx"));
  const runtime = ["runtime/ort.js", "runtime/ort.wasm"];
  files.expect([...code, "vocabulary.json", ...runtime, ...graphs]);
  await Promise.all(code.map((name) => files.read(name)));
  const { open } = await import("./page.js");
  await open(files, manifest, fail);
  loading.hidden = true;
}

function told(received, total, slow) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const bar = document.getElementById("progress");
  bar.max = Math.max(total, received, 1);
  bar.value = received;
  const sizes = total ? `: ${megabytes(received)} of ${megabytes(total)} MB` : "";
  const text = `Loading the model${slow ? "; the network is slow" : ""}${sizes} …`;
  const shown = document.getElementById("progress-text");
  if (slow || !shown.dataset.slow) shown.textContent = text;
  if (slow) shown.dataset.slow = "yes";
}

function fail(error) {
  const text = error instanceof Problem ? error.message : `The page failed: ${error?.message ?? error}`;
  loading.hidden = true;
  failure.querySelector("p").textContent = text;
  failure.hidden = false;
}
