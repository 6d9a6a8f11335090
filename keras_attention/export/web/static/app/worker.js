// Runs the graphs beside the page, which stays responsive.
//
// One source is read at a time. `states` holds its state before each position, so that decoding
// goes on from any of them; what a step does not change is held once.

let ort = null;
const sessions = {};
let states = [];

const COMMANDS = { load, read, step, beam };
let last = Promise.resolve();

self.onmessage = ({ data: { id, command, values } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, answer: await COMMANDS[command](values) });
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};

async function load({ runtime, wasm, graphs }) {
  ort ??= await import(runtime);
  if (wasm) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = wasm;
    ort.env.logLevel = "error";
  }
  for (const [name, bytes] of Object.entries(graphs)) {
    sessions[name] = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  }
  const found = Object.entries(sessions).map(([name, { inputMetadata }]) => [
    name, inputMetadata.map(({ name, type, shape }) => ({ name, type, shape })),
  ]);
  return Object.fromEntries(found);
}

async function read({ source }) {
  states = [await sessions.encoder.run(tensors(source))];
}

// The logits at a position behind `token`, and the attention weights there.
async function step({ position, token }) {
  const before = states[position];
  const fed = { ...before, token: new ort.Tensor("int32", Int32Array.of(token), [1]) };
  const found = await sessions.step.run(fed);
  const after = { ...before };
  for (const name of Object.keys(before)) after[name] = found[`next_${name}`] ?? before[name];
  states.length = position + 1;
  states.push(after);
  return plain({ logits: found.logits, attention: found.attention });
}

async function beam({ source, prefix }) {
  const fed = { ...source, prefix: { type: "int32", data: prefix, dims: [1, prefix.length] } };
  return plain(await sessions.beam.run(tensors(fed)));
}

function tensors(named) {
  const made = Object.entries(named).map(([name, { type, data, dims }]) => [
    name, new ort.Tensor(type, data, dims),
  ]);
  return Object.fromEntries(made);
}

function plain(named) {
  const made = Object.entries(named).map(([name, tensor]) => [
    name, { data: tensor?.data ?? new Float32Array(0), dims: tensor?.dims ?? [1, 0] },
  ]);
  return Object.fromEntries(made);
}
