// The page answers as the model does in Python: every token, every weight, every hypothesis.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  FOLDER, answered, expected, largestDifference, launch, loaded, serve, shown, shownHypotheses,
  type, visit,
} from "./browser.mjs";

const TOLERANCE = 1e-4;
let browser;

before(async () => { browser = await launch(); });
after(() => browser.close());

async function opened(name) {
  const server = await serve(name);
  const page = await visit(browser, server.url);
  await loaded(page);
  return { page, close: () => { server.close(); return page.context().close(); } };
}

async function checkAnswer(page, { greedy, beam }, what, tolerance = TOLERANCE) {
  const found = await shown(page);
  assert.deepEqual(found.ids, greedy.ids, `${what}: tokens`);
  const gap = largestDifference(found.attention, greedy.attention);
  assert.ok(gap <= tolerance, `${what}: attention differs by ${gap}`);
  assert.deepEqual(found.texts, beam.map((one) => one.text || "(nothing)"), `${what}: hypotheses`);
  const hypotheses = await shownHypotheses(page);
  assert.deepEqual(hypotheses.map((one) => one.ids), beam.map((one) => one.ids), what);
  const gaps = hypotheses.map((one, i) => largestDifference(one.attention, beam[i].attention));
  assert.ok(Math.max(...gaps) <= tolerance, `${what}: attention of hypotheses differs by ${gaps}`);
  return Math.max(gap, ...gaps);
}

for (const name of ["g2p", "pieces"]) {
  test(`every text is answered as in Python: ${name}`, async (t) => {
    const { page, close } = await opened(name);
    const cases = expected(name).answers;
    let largest = 0;
    for (const one of cases) {
      await type(page, one.text);
      largest = Math.max(largest, await checkAnswer(page, one, JSON.stringify(one.text)));
    }
    t.diagnostic(`${cases.length} texts; the largest difference of weights is ${largest}`);
    assert.deepEqual(page.wrong, []);
    await close();
  });
}

// How far the pixels that the page reads of a file are from Python's.
async function pixelDifference(page, { image, pixels }) {
  const bytes = [...readFileSync(join(FOLDER, image))];
  const read = await page.evaluate(async ([bytes, height, width]) => {
    const { imageOf, pixelsOf } = await import("/app/image.js");
    const file = new File([new Uint8Array(bytes)], "image");
    return [...pixelsOf(await imageOf(file, 1e8), height, width).data];
  }, [bytes, ...expected("captions").size]);
  return largestDifference([read], [pixels]);
}

test("every image is answered as in Python", async (t) => {
  const { page, close } = await opened("captions");
  const cases = expected("captions").answers;
  let largest = 0;
  for (const one of cases) {
    await page.locator("#image").setInputFiles(join(FOLDER, one.image));
    await page.waitForTimeout(50);
    await answered(page);
    const gap = await pixelDifference(page, one);
    // Resized, a number halfway between two may be rounded to either.
    assert.ok(gap <= 1, `${one.image}: pixels differ by ${gap}`);
    const found = await checkAnswer(page, one, one.image, gap ? 5e-3 : TOLERANCE);
    if (!gap) largest = Math.max(largest, found);
  }
  t.diagnostic(`${cases.length} images; of equal pixels the largest difference is ${largest}`);
  assert.deepEqual(page.wrong, []);
  await close();
});

test("the answer goes on from a chosen token as in Python", async () => {
  const { page, close } = await opened("g2p");
  for (const one of expected("g2p").forced) {
    await type(page, one.text);
    const chosen = one.prefix.length - 1;
    await page.locator("#target button").nth(chosen).click();
    const items = page.locator("[role=menuitemradio]");
    await items.nth(one.rank).click();
    await answered(page);
    await checkAnswer(page, one, `${one.text} from ${one.prefix}`);
  }
  await close();
});
