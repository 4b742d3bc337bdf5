// The cost of an incoming message in a room with many: rows drawn, and rows laid out again.

import { assert, assertEquals } from "@std/assert";
import { browserTest, sharedServerOnly, waitForMessage, waitUntil } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { ScriptedServer, signInScripted } from "./scripted_server.ts";

const rowCount = 1_000;
const samples = 5;
/** Max children of any element in the conversation, all of which are visited by a layout. */
const childrenMax = 60;

/** Counts the rows that are added or removed until the next frame is drawn. */
async function countDrawnRows(page: Page): Promise<number> {
  return await page.evaluate(() =>
    new Promise<number>((done) => {
      const observer = new MutationObserver((changes) => {
        observer.disconnect();
        const isRow = (node: Node) => node instanceof Element && node.localName === "article";
        const rows = changes.flatMap(({ addedNodes, removedNodes }) =>
          [...addedNodes, ...removedNodes].filter(isRow)
        );
        requestAnimationFrame(() => requestAnimationFrame(() => done(rows.length)));
      });
      const rows = document.querySelector("#rows");
      if (rows !== null) observer.observe(rows, { childList: true, subtree: true });
    })
  );
}

/** Counts the frames that the page asks for to draw a message. */
async function countFrames(page: Page, publish: () => void): Promise<number> {
  const count = page.evaluate(() =>
    new Promise<number>((done) => {
      const { requestAnimationFrame } = globalThis;
      let frames = 0;
      globalThis.requestAnimationFrame = (draw) => {
        // Marking the message read must not ask for another one.
        if (++frames === 1) {
          const later = () => requestAnimationFrame(() => done(frames));
          requestAnimationFrame(() => requestAnimationFrame(later));
        }
        return requestAnimationFrame(draw);
      };
    })
  );
  publish();
  return await count;
}

/**
 * Counts how often the page measures something after it has changed the conversation, which forces
 * a layout before the frame's own.
 */
async function countForcedLayouts(page: Page, publish: () => void): Promise<number> {
  await page.evaluate(() => {
    let isChanged = false;
    let forced = 0;
    const { insertBefore } = Node.prototype;
    Node.prototype.insertBefore = function <Child extends Node>(node: Child, next: Node | null) {
      isChanged ||= this instanceof Element && this.closest("#rows") !== null;
      return insertBefore.call(this, node, next) as Child;
    };
    const count = () => forced += Number(isChanged);
    const { getBoundingClientRect } = Element.prototype;
    Element.prototype.getBoundingClientRect = function () {
      count();
      return getBoundingClientRect.call(this);
    };
    for (const name of ["scrollTop", "scrollHeight", "clientHeight"] as const) {
      const { get, set } = Object.getOwnPropertyDescriptor(Element.prototype, name) ?? {};
      Object.defineProperty(Element.prototype, name, {
        ...(set && { set }),
        get() {
          count();
          return get?.call(this);
        },
      });
    }
    const counted = new Promise<number>((done) => {
      new MutationObserver((_, observer) => {
        observer.disconnect();
        done(forced);
      }).observe(document.querySelector("#rows") ?? document, { childList: true, subtree: true });
    });
    Object.assign(globalThis, { counted });
  });
  publish();
  return await page.evaluate(() => (globalThis as unknown as { counted: Promise<number> }).counted);
}

/** Scrolls up through the conversation. Returns how far rows moved other than by scrolling. */
async function scrollUp(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    const log = document.querySelector("#log");
    const rows = [...document.querySelectorAll("#rows article")];
    let moved = 0;
    for (let i = rows.length - 150; log && i > 0; i -= 150) {
      const row = rows[i];
      if (row === undefined) break;
      log.scrollTop += row.getBoundingClientRect().top - 300;
      const before = row.getBoundingClientRect().top;
      // Rows within some screens are laid out with the next frames.
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
      moved = Math.max(moved, Math.abs(row.getBoundingClientRect().top - before));
    }
    return moved;
  });
}

browserTest("draws and lays out only the last rows for an incoming message", async (chat) => {
  const server = new ScriptedServer();
  server.append(
    "lobby",
    ...Array.from({ length: rowCount }, (_, i) => ({
      text: `line ${i + 1} with *some* text and https://example.org/${i}`,
      from: i % 3 === 0 ? "Ben" : "Cy",
      member: i % 3 === 0 ? "ben" : "cy",
      at: Date.now() - (rowCount - i) * 60_000,
    })),
  );
  const { ada } = await signInScripted(chat, {}, server);
  await waitForMessage(ada, `line ${rowCount} `);
  for (let loaded = 0; loaded < rowCount;) {
    loaded = await ada.evaluate(() => {
      document.querySelector("#log")?.scrollTo(0, 0);
      return document.querySelectorAll("#rows article").length;
    });
  }
  const drawn: number[] = [];
  for (let i = 0; i < samples; i++) {
    const count = countDrawnRows(ada);
    server.publish("lobby", { text: `news ${i}.` });
    drawn.push(await count);
  }
  // The first one brings the line "new since".
  assertEquals(drawn.slice(1), drawn.slice(1).map(() => 1));
  assertEquals(await countForcedLayouts(ada, () => server.publish("lobby", { text: "more" })), 0);
  // The blocks far from the view are skipped, at the height that they have.
  const blocks = ada.locator("#rows > *");
  const skipped = ada.locator('#rows > [style*="content-visibility"]');
  await waitUntil(
    "all blocks may be skipped",
    async () => await blocks.count() === await skipped.count(),
  );
  assert(await scrollUp(ada) < 1);
  // At the end, an incoming message is also marked read.
  await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 1e9));
  await ada.locator("#to-end").waitFor({ state: "hidden" });
  assertEquals(await countFrames(ada, () => server.publish("lobby", { text: "the last" })), 1);
  const childCounts = await ada.locator("#rows, #rows *").evaluateAll((nodes) =>
    nodes.map((node) => node.childElementCount)
  );
  assert(Math.max(...childCounts) <= childrenMax, `${Math.max(...childCounts)}`);
}, sharedServerOnly);
