// The explorer in JupyterLab: by pointer and keyboard, in light and dark.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AXE, FOLDER, launch } from "../web/browser.mjs";

const PICTURES = join(FOLDER, "pictures");
const PATIENCE = 120000;
let browser, page, texts, images;

before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1100, height: 1500 } });
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(error.message));
  await page.goto(process.env.JUPYTER);
  // What is run before the kernel is there may be lost.
  await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor();
  await page.locator(".jp-Cell .cm-content").first().click();
  await page.screenshot({ path: join(PICTURES, "notebook.png") });
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.press("Control+Enter");
  [texts, images] = [0, 1].map((i) => page.locator(".jp-Cell").nth(i).locator(".keras-attention"));
  await texts.locator(".target button").first().waitFor();
  await images.locator(".target button").first().waitFor();
}, { timeout: 3 * PATIENCE });
after(() => browser.close());

const weights = (row) => texts.locator(`.${row} button`).evaluateAll((buttons) => (
  buttons.map((button) => Number(button.style.getPropertyValue("--weight")))));
const tokens = (widget) => widget.locator(".target button").allInnerTexts();
const largest = (numbers) => numbers.indexOf(Math.max(...numbers));

async function answered(widget, action) {
  const before = await widget.locator(".results").innerHTML();
  await action();
  await page.waitForFunction(([element, old]) => (
    element.querySelector(".target").getAttribute("aria-busy") === "false"
      && element.querySelector(".results").innerHTML !== old
  ), [await widget.elementHandle(), before]);
}

async function accessible(what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(
    { include: [".keras-attention"] }, { rules: { region: { enabled: false } } },
  ));
  const lines = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
  assert.deepEqual(lines, [], what);
}

test("a token that is pointed at lights those of the source, and the other way round", async () => {
  assert.deepEqual(await tokens(texts), ["N", "AY", "T", "end"]);
  await texts.locator(".target button").nth(1).hover();
  assert.equal(largest(await weights("source")), 2);
  assert.match(await texts.locator(".reading").innerText(), /^AY, \d+ %: i \d+ %/);
  await texts.locator(".source button").nth(5).hover();
  assert.equal(largest(await weights("target")), 2);
  assert.deepEqual(await weights("source"), [0, 0, 0, 0, 0, 0]);
});

test("the search goes on from a token that is chosen, and back", async () => {
  await texts.locator(".target button").first().click();
  const items = texts.getByRole("menuitemradio");
  assert.equal(await items.count(), 8);
  assert.match(await items.first().innerText(), /^N\s+\d+ %$/);
  const second = await items.nth(1).locator("span").first().innerText();
  await page.screenshot({ path: join(PICTURES, "menu.png") });
  await answered(texts, () => items.nth(1).click());
  assert.equal((await tokens(texts))[0], second);
  const label = await texts.locator(".target button").first().getAttribute("aria-label");
  assert.match(label, /; chosen;/);
  const results = await texts.locator(".results button span:first-child").allInnerTexts();
  assert.ok(results.length && results.every((text) => text.startsWith(second)), results);
  await answered(texts, () => texts.getByText("Without the chosen tokens").click());
  assert.deepEqual(await tokens(texts), ["N", "AY", "T", "end"]);
});

test("the tree tells why a hypothesis was dropped, shows it, and continues it", async () => {
  const dropped = texts.locator(".node.dropped").first();
  await dropped.hover();
  assert.match(await texts.locator(".reason").innerText(), /: Dropped: .* is below -?\d/);
  await texts.locator(".node.beaten").first().hover();
  assert.match(await texts.locator(".reason").innerText(), /: Ended, but its score .* is below/);
  const lines = await texts.locator(".canvas path").count();
  assert.equal(lines, await texts.locator(".node").count() - 1);
  const first = await dropped.locator("span").first().innerText();
  await dropped.click();
  assert.deepEqual(await tokens(texts), [first]);
  await answered(texts, () => texts.getByText("Continue from this hypothesis").click());
  assert.equal((await tokens(texts))[0], first);
  await answered(texts, () => texts.getByText("Without the chosen tokens").click());
});

test("everything goes by the keyboard, and the notebook's keys are not meant", async () => {
  await texts.locator(".target button").first().focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(largest(await weights("source")), 2);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.role), "menuitemradio");
  await page.keyboard.press("Escape");
  await page.keyboard.press("d");
  await page.keyboard.press("d");
  assert.equal(await page.locator(".jp-Cell").count(), 2);
  assert.equal(await page.locator(".jp-Cell .keras-attention").count(), 2);
  await texts.locator(".node").first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  assert.match(await texts.locator(".reason").innerText(), /^\S+: \w/);
  const token = await page.evaluate(() => document.activeElement.firstChild.textContent);
  await page.keyboard.press("Enter");
  assert.equal((await tokens(texts))[0], token);
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.evaluate(() => document.activeElement.firstChild.textContent), "start");
});

test("another text is answered, and unknown characters are noted", async () => {
  const input = texts.getByLabel("Text");
  await answered(texts, async () => {
    await input.fill("phone☃");
    await input.press("Enter");
  });
  assert.equal(await texts.locator(".notice").innerText(), "Not in the vocabulary: ☃");
  await answered(texts, async () => {
    await input.fill("knight");
    await input.press("Enter");
  });
  assert.equal(await texts.locator(".notice").innerText(), "");
});

test("images are picked, and their parts light up", async () => {
  const canvas = images.locator(".picture canvas");
  const pixels = () => canvas.evaluate((element) => element.toDataURL());
  const first = await pixels();
  await images.locator(".target button").first().hover();
  assert.notEqual(await pixels(), first);
  await canvas.hover();
  assert.match(await images.locator(".reading").innerText(), /^row \d column \d is attended to by/);
  const framed = await pixels();
  await texts.locator(".hint").first().hover();
  assert.notEqual(await pixels(), framed);
  await images.getByLabel("Image 2").click();
  await page.waitForFunction(([element, old]) => (
    element.querySelector(".picture canvas").toDataURL() !== old
  ), [await images.elementHandle(), first]);
  assert.equal(await images.getByLabel("Image 2").getAttribute("aria-pressed"), "true");
});

test("tokens are texts, whatever they say", async () => {
  await images.getByText("<img/src=x/onerror=globalThis.read=1>").first().waitFor();
  assert.equal(await images.locator("img").count(), 0);
  assert.equal(await page.evaluate(() => globalThis.read), undefined);
});

for (const colorScheme of ["light", "dark"]) {
  test(`it is accessible: ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme });
    const light = colorScheme === "light";
    await page.waitForFunction((wanted) => (
      document.body.dataset.jpThemeLight === wanted
    ), String(light));
    await texts.locator(".target button").nth(1).hover();
    await page.waitForTimeout(300);
    const [ink] = await texts.evaluate((element) => (
      getComputedStyle(element).color.match(/\d+/gu).map(Number)));
    assert.equal(ink < 128, light);
    await accessible(colorScheme);
    await page.screenshot({ path: join(PICTURES, `${colorScheme}.png`) });
    await texts.locator(".target button").nth(1).click();
    await accessible(`${colorScheme}, the menu`);
    await page.screenshot({ path: join(PICTURES, `${colorScheme}-menu.png`) });
    await page.keyboard.press("Escape");
  });
}

test("the notebook is saved, and nothing went wrong", async () => {
  await texts.locator(".target button").first().focus();
  await page.keyboard.press("Control+s");
  await page.waitForFunction(() => !document.querySelector(".jp-mod-dirty"));
  await page.waitForTimeout(2000);
  assert.deepEqual(page.wrong, []);
});
