// What an incoming message costs in a room with many: rows drawn, and rows laid out again.

import { assert, assertEquals } from "@std/assert";
import { browserTest, sharedServerOnly, waitForMessage } from "./browser_harness.ts";
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
  // At the end, an incoming message is also marked read.
  await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 1e9));
  await ada.locator("#to-end").waitFor({ state: "hidden" });
  assertEquals(await countFrames(ada, () => server.publish("lobby", { text: "the last" })), 1);
  const childCounts = await ada.locator("#rows, #rows *").evaluateAll((nodes) =>
    nodes.map((node) => node.childElementCount)
  );
  assert(Math.max(...childCounts) <= childrenMax, `${Math.max(...childCounts)}`);
}, sharedServerOnly);
