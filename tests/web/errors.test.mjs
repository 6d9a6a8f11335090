// What goes wrong is told in the page.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { launch, loaded, serve, shown, told, type, visit } from "./browser.mjs";

let browser;

before(async () => { browser = await launch(); });
after(() => browser.close());

// The message of a folder that was changed.
async function messageOf(broken, timeout) {
  const server = await serve("g2p", broken);
  const page = await visit(browser, server.url);
  const message = await told(page, timeout);
  assert.equal(await page.locator("#loading").isVisible(), false);
  await page.context().close();
  server.close();
  return message;
}

const flipped = (bytes) => {
  const other = Buffer.from(bytes);
  other[other.length >> 1] ^= 1;
  return other;
};
const impatient = (bytes) => Buffer.from(
  String(bytes).replace('data-patience="30"', 'data-patience="2"'));

for (const file of [
  "encoder.onnx", "step.onnx", "beam.onnx", "vocabulary.json", "runtime/ort.js",
  "runtime/ort.wasm", "app/page.js", "app/worker.js",
]) {
  test(`one bit of ${file} is another`, async () => {
    const message = await messageOf({ change: { [file]: flipped } });
    assert.match(message, new RegExp(`^${file}: expected the file that manifest.json lists`));
  });
}

test("a file is missing", async () => {
  const message = await messageOf({ change: { "beam.onnx": () => null } });
  assert.equal(message, "beam.onnx: the server answered 404.");
});

test("a file is cut", async () => {
  const message = await messageOf({ change: { "step.onnx": (bytes) => bytes.subarray(0, 999) } });
  assert.match(message, /^step\.onnx: expected the file .* \(999 of \d+ bytes\)/);
});

test("a file is longer than it is listed", async () => {
  const longer = (bytes) => Buffer.concat([bytes, bytes]);
  const message = await messageOf({ change: { "step.onnx": longer } });
  assert.match(message, /^step\.onnx: expected \d+ bytes, received more/);
});

test("the manifest is no JSON, or of something else", async () => {
  const cases = { "{": /^manifest\.json: expected JSON/, "[]": /^manifest\.json: expected a web/ };
  for (const [text, expected] of Object.entries(cases)) {
    const message = await messageOf({ change: { "manifest.json": () => Buffer.from(text) } });
    assert.match(message, expected);
  }
});

test("the manifest leaves a file out", async () => {
  const without = (bytes) => {
    const manifest = JSON.parse(bytes);
    delete manifest.files["vocabulary.json"];
    return Buffer.from(JSON.stringify(manifest));
  };
  const message = await messageOf({ change: { "manifest.json": without } });
  assert.equal(message, "manifest.json: expected size and SHA-256 of vocabulary.json.");
});

// A file, and a manifest that lists it.
function consistent(name, contents) {
  const bytes = Buffer.from(contents);
  const listed = (manifest) => {
    const changed = JSON.parse(manifest);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    changed.files[name] = { size: bytes.length, sha256 };
    return Buffer.from(JSON.stringify(changed));
  };
  return { change: { [name]: () => bytes, "manifest.json": listed } };
}

test("the vocabulary is no JSON, or of another kind", async () => {
  assert.match(await messageOf(consistent("vocabulary.json", "{tokens}")),
    /^vocabulary\.json: expected JSON/);
  const foreign = { target: { kind: "sentence_piece" }, special_ids: {} };
  assert.match(await messageOf(consistent("vocabulary.json", JSON.stringify(foreign))),
    /^vocabulary\.json: expected tokens that this page knows, received sentence_piece/);
});

test("a graph is none", async () => {
  const message = await messageOf(consistent("step.onnx", "nothing"));
  assert.match(message, /^The model cannot be run: /);
});

test("there is no WebAssembly", async () => {
  const other = await launch("--js-flags=--jitless");
  const server = await serve("g2p");
  const page = await visit(other, server.url);
  assert.match(await told(page), /no WebAssembly/);
  server.close();
  await other.close();
});

test("the network is slow, and then gives nothing", async () => {
  const server = await serve("g2p", { change: { "index.html": impatient }, stall: "runtime/ort.wasm" });
  const page = await visit(browser, server.url);
  const slow = page.locator("#progress-text", { hasText: "the network is slow" });
  await slow.waitFor({ timeout: 10000 });
  assert.match(await slow.innerText(), /: \d+\.\d of \d+\.\d MB/);
  assert.match(await told(page), /^runtime\/ort\.wasm: no byte arrived for 2 seconds/);
  await page.context().close();
  server.close();
});

test("the script is missing", async () => {
  const server = await serve("g2p", { change: { "app/start.js": () => null } });
  const page = await visit(browser, server.url);
  assert.equal(await page.locator("#late").isVisible(), false);
  await page.locator("#late").waitFor({ state: "visible", timeout: 20000 });
  await page.context().close();
  server.close();
});

test("there is no JavaScript", async () => {
  const server = await serve("g2p");
  const page = await visit(browser, server.url, { javaScriptEnabled: false });
  assert.match(await page.locator("noscript").innerText(), /needs JavaScript/);
  await page.context().close();
  server.close();
});

test("without https there is no crypto.subtle, and nothing changes", async () => {
  const server = await serve("g2p");
  const context = await browser.newContext();
  await context.addInitScript(() => { delete Crypto.prototype.subtle; });
  const page = await context.newPage();
  await page.goto(server.url);
  await loaded(page);
  assert.equal(await page.evaluate(() => crypto.subtle), undefined);
  await type(page, "knight");
  assert.equal((await shown(page)).texts[0], "N AY T");
  await context.close();
  server.close();
});

test("what is no image, or claims to be a huge one", async () => {
  const server = await serve("captions");
  const page = await visit(browser, server.url);
  await loaded(page);
  const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
  const huge = Buffer.concat([png, Buffer.from("000f4240000f42400806000000", "hex")]);
  const whole = { name: "a.png", mimeType: "image/png" };
  const cases = [
    [Buffer.from("GIF89a"), /expected a JPEG or PNG file/],
    [huge, /expected at most \d+ pixels, received 1000000 x 1000000/],
    [Buffer.concat([png, Buffer.from("00000004000000040806000000", "hex")]), /a damaged one/],
  ];
  for (const [buffer, message] of cases) {
    await page.locator("#image").setInputFiles({ ...whole, buffer });
    await page.locator("#notice.error").waitFor();
    assert.match(await page.locator("#notice").innerText(), message);
    await page.locator("#image").setInputFiles([]);
  }
  await page.context().close();
  server.close();
});
