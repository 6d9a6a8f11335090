// A server of the exported folders that can break them, a Chromium, and what a person does in it.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";

export const FOLDER = process.env.WEB_TEST;
const require = createRequire(join(FOLDER, "package.json"));
const { chromium } = require("playwright-core");
export const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf-8");

const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json",
  ".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif",
};
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export function expected(name) {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf-8"));
}

// Serves one export, or another folder. change: by file, its bytes to other bytes, or to null for
// 404; stall: a file of which only a half is sent.
export async function serve(
  name, { change = {}, stall = null, root = join(FOLDER, "models", name) } = {},
) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const file = normalize(path === "/" ? "/index.html" : path).slice(1);
    let bytes;
    try {
      bytes = readFileSync(join(root, file));
    } catch {
      return response.writeHead(404).end();
    }
    if (change[file]) bytes = change[file](bytes);
    if (bytes === null) return response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": bytes.length });
    if (file === stall) return response.write(bytes.subarray(0, bytes.length / 2));
    return response.end(bytes);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export function launch(...flags) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

// A page that fails the test if anything goes wrong in it or is asked of another place.
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 900 }, ...options });
  const page = await context.newPage();
  page.wrong = [];
  page.on("console", (line) => {
    if (["error", "warning"].includes(line.type())) page.wrong.push(line.text());
  });
  page.on("pageerror", (error) => page.wrong.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) page.wrong.push(request.url());
  });
  await page.goto(url);
  return page;
}

export async function loaded(page) {
  await page.waitForFunction(() => document.getElementById("loading").hidden, null, {
    timeout: 60000,
  });
}

export async function told(page, timeout = 30000) {
  await page.locator("#error").waitFor({ state: "visible", timeout });
  return page.locator("#error p").innerText();
}

export async function answered(page) {
  await page.waitForFunction(() => {
    const busy = document.getElementById("main").dataset.busy;
    return !busy && document.querySelector("#hypotheses li");
  }, null, { timeout: 60000 });
}

export async function type(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
  await answered(page);
}

// What is shown: the ids of the answer, its attention by the table, and the hypotheses' texts.
export function shown(page) {
  return page.evaluate(() => ({
    ids: [...document.querySelectorAll("#target button")].map((one) => Number(one.dataset.id)),
    attention: [...document.querySelectorAll("#table tbody tr")].map((row) => (
      [...row.querySelectorAll("td")].map((cell) => (
        Number(cell.style.getPropertyValue("--weight")))))),
    texts: [...document.querySelectorAll("#hypotheses button span:first-child")].map((one) => (
      one.textContent)),
  }));
}

// The same of each hypothesis, as they are clicked on.
export function shownHypotheses(page) {
  return page.evaluate(() => [...document.querySelectorAll("#hypotheses button")].map((button) => {
    button.click();
    return {
      ids: [...document.querySelectorAll("#target button")].map((one) => Number(one.dataset.id)),
      attention: [...document.querySelectorAll("#table tbody tr")].map((row) => (
        [...row.querySelectorAll("td")].map((cell) => (
          Number(cell.style.getPropertyValue("--weight")))))),
    };
  }));
}

export function largestDifference(a, b) {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  a.forEach((row, i) => {
    if (row.length !== b[i].length) largest = Infinity;
    row.forEach((value, j) => { largest = Math.max(largest, Math.abs(value - b[i][j])); });
  });
  return largest;
}
