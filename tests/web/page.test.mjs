// The page for a person: by pointer, keyboard and screen reader, in the dark and on a phone.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { plainSha256 } from "../../keras_attention/export/web/static/app/sha256.js";
import { AXE, FOLDER, answered, expected, launch, loaded, serve, shown, type, visit } from "./browser.mjs";

const PICTURES = join(FOLDER, "pictures");
let browser, server, captions;

before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  browser = await launch();
  server = await serve("g2p");
  captions = await serve("captions");
});
after(async () => {
  await browser.close();
  server.close();
  captions.close();
});

async function opened(options = {}, url = server.url) {
  const page = await visit(browser, url, options);
  await loaded(page);
  return page;
}

const weights = (page, row) => page.locator(`#${row} button`).evaluateAll((buttons) => (
  buttons.map((button) => Number(button.style.getPropertyValue("--weight")))));

async function accessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const lines = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
  assert.deepEqual(lines, [], what);
}

test("SHA-256 without the browser's own", () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 1000, 1 << 20]) {
    const bytes = randomBytes(size);
    assert.equal(plainSha256(bytes), createHash("sha256").update(bytes).digest("hex"));
  }
});

test("a token that is pointed at lights those of the source, and the other way round", async () => {
  const page = await opened();
  await type(page, "knight");
  await page.locator("#target button").nth(1).hover();
  let lit = await weights(page, "source");
  assert.equal(lit.indexOf(Math.max(...lit)), 2);
  assert.deepEqual(await weights(page, "target"), [0, 0, 0, 0]);
  assert.match(await page.locator("#reading").innerText(), /^AY, \d+ %: i \d+ %/);
  await page.locator("#source button").nth(5).hover();
  lit = await weights(page, "target");
  assert.ok(lit[2] > 0.5 && lit[0] < 0.1, lit);
  assert.deepEqual(await weights(page, "source"), [0, 0, 0, 0, 0, 0]);
  await page.locator("#table tbody tr").nth(0).locator("td").nth(1).hover();
  assert.equal((await weights(page, "source"))[1], 1);
  assert.equal((await weights(page, "target"))[0], 1);
  await page.locator("h1").hover();
  assert.deepEqual(await weights(page, "source"), [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("the answer grows token by token", async () => {
  const page = await opened();
  await page.evaluate(() => {
    globalThis.sizes = [];
    const target = document.getElementById("target");
    new MutationObserver(() => globalThis.sizes.push(target.children.length))
      .observe(target, { childList: true });
  });
  await type(page, "communication");
  const sizes = await page.evaluate(() => globalThis.sizes);
  const { ids } = await shown(page);
  for (let size = 1; size <= ids.length; size++) assert.ok(sizes.includes(size), `${sizes}`);
  await page.context().close();
});

test("everything goes by the keyboard", async () => {
  const page = await opened();
  await page.keyboard.press("Tab");
  await page.keyboard.type("knight");
  await page.keyboard.press("Enter");
  await answered(page);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "k");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  const lit = await weights(page, "target");
  assert.equal(lit.indexOf(Math.max(...lit)), 1);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "N");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.role), "menuitemradio");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "N");
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  const second = await page.evaluate(() => document.activeElement.firstChild.textContent);
  await page.keyboard.press("Enter");
  await answered(page);
  assert.equal(await page.locator("#target button").first().innerText(), second);
  assert.match(await page.locator("#target button").first().getAttribute("aria-label"), /; chosen;/);
  assert.ok((await shown(page)).texts.every((text) => text.startsWith(second)));
  assert.match(await page.locator("#notice-answer").innerText(), /^Answer: /);
  await page.locator("#free").press("Enter");
  await answered(page);
  assert.equal((await shown(page)).texts[0], "N AY T");
  await page.context().close();
});

test("a hypothesis can be shown and changed", async () => {
  const page = await opened();
  await type(page, "knight");
  const { texts } = await shown(page);
  await page.locator("#hypotheses button").nth(2).click();
  assert.equal(await page.locator("#hypotheses button").nth(2).getAttribute("aria-current"), "true");
  const tokens = await page.locator("#target button").allInnerTexts();
  assert.equal(tokens.slice(0, -1).join(" "), texts[2]);
  await page.locator("#target button").nth(1).click();
  const checked = page.locator("[role=menuitemradio][aria-checked=true]");
  assert.equal(await checked.locator("span").first().innerText(), tokens[1]);
  await page.keyboard.press("Escape");
  await page.context().close();
});

test("what is typed while it answers is answered in the end", async () => {
  const page = await opened();
  for (const text of ["communication", "tree", "knight"]) {
    await page.locator("#text").fill(text);
    await page.locator("#text").press("Enter");
  }
  await answered(page);
  assert.equal((await shown(page)).texts[0], "N AY T");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("no text, unknown characters and a long text are noted", async () => {
  const page = await opened();
  await page.locator("#text").press("Enter");
  assert.equal(await page.locator("#notice").innerText(), "Enter a text first.");
  await type(page, "kn☃ght");
  assert.equal(await page.locator("#notice").innerText(), "Not in the vocabulary: ☃");
  const { longest } = expected("g2p");
  await type(page, "a".repeat(longest + 1));
  const notice = await page.locator("#notice").innerText();
  assert.equal(notice, `Only the first ${longest} tokens are read.`);
  await page.context().close();
});

test("a text behind # is answered at once", async () => {
  const page = await opened({}, `${server.url}#knight`);
  await answered(page);
  assert.equal((await shown(page)).texts[0], "N AY T");
  await page.context().close();
});

test("a map over the image lights where a token attends", async () => {
  const page = await opened({}, captions.url);
  const { image } = expected("captions").answers[0];
  await page.locator("#image").setInputFiles(join(FOLDER, image));
  await answered(page);
  const pixels = () => page.locator("#picture canvas").evaluate((canvas) => canvas.toDataURL());
  const plain = await pixels();
  await page.locator("#target button").first().hover();
  assert.notEqual(await pixels(), plain);
  assert.match(await page.locator("#reading").innerText(), /row \d column \d/);
  await page.locator("#picture canvas").hover();
  assert.ok(Math.max(...await weights(page, "target")) === 1);
  await page.locator("#picture canvas").focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(Math.max(...await weights(page, "target")) === 1);
  await page.locator("#target button").first().hover();
  await page.screenshot({ path: join(PICTURES, "captions.png"), fullPage: true });
  await accessible(page, "captions");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

for (const [name, options] of Object.entries({
  light: {},
  dark: { colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  still: { reducedMotion: "reduce" },
})) {
  test(`it is accessible and fits: ${name}`, async () => {
    const page = await opened(options);
    await accessible(page, "the form");
    await type(page, "acknowledgement");
    await page.waitForTimeout(200);
    await accessible(page, "the answer");
    await page.locator("#target button").nth(1).click();
    await page.waitForTimeout(200);
    await accessible(page, "the menu");
    await page.screenshot({ path: join(PICTURES, `${name}-menu.png`) });
    await page.keyboard.press("Escape");
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= page.viewportSize().width, `${width} pixels`);
    await page.context().close();
  });
}

test("a message of an error is accessible, in the dark too", async () => {
  const broken = await serve("g2p", { change: { "step.onnx": () => null } });
  for (const colorScheme of ["light", "dark"]) {
    const page = await visit(browser, broken.url, { colorScheme });
    await page.locator("#error").waitFor({ state: "visible" });
    await accessible(page, colorScheme);
    await page.context().close();
  }
  broken.close();
});

test("the policy of the page allows scripts of its own folder alone", () => {
  const html = readFileSync(join(FOLDER, "models", "g2p", "index.html"), "utf-8");
  assert.match(html, /default-src 'none'; script-src 'self';/);
  assert.doesNotMatch(html, /<script(?![^>]*src=)|style=|onclick|unsafe/);
});
