// Every page of the documentation, in light and dark, on a screen and on a phone.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { AXE, launch, serve, visit } from "../web/browser.mjs";

const { ONLY, SITE } = process.env;
const WIDTHS = { screen: 1280, phone: 390 };

// What axe-core calls serious or critical, a line each.
async function faults(page) {
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return grave.map(({ id, nodes }) => {
    const where = nodes.slice(0, 3).map((node) => `${node.target} ${node.html.slice(0, 160)}`);
    return [`${id}, ${nodes.length} times:`, ...where].join("\n    ");
  });
}

const pages = readdirSync(SITE, { recursive: true })
  .filter((path) => path.endsWith(".html") && path.includes(ONLY)).sort();

test("the site has pages", () => assert.ok(pages.length));

test("no page has a serious accessibility fault", async (t) => {
  const browser = await launch();
  const server = await serve("", { root: SITE });
  try {
    for (const path of pages) {
      await t.test(path, async () => {
        const found = [];
        for (const colorScheme of ["light", "dark"]) {
          const page = await visit(browser, server.url + path, { colorScheme });
          await page.evaluate(AXE);
          for (const [name, width] of Object.entries(WIDTHS)) {
            await page.setViewportSize({ width, height: 900 });
            found.push(...(await faults(page)).map((line) => `${colorScheme}, ${name}: ${line}`));
          }
          found.push(...page.wrong.map((line) => `${colorScheme}, console: ${line}`));
          await page.context().close();
        }
        assert.equal(found.length, 0, `\n${found.join("\n")}`);
      });
    }
  } finally {
    await browser.close();
    server.close();
  }
});
