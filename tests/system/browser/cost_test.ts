// How many rows an incoming message changes in a room with many.

import { assertEquals } from "@std/assert";
import { browserTest, waitForMessage } from "./browser_harness.ts";
import { ScriptedServer, signInScripted } from "./scripted_server.ts";

const rowCount = 500;
const samples = 5;

browserTest("draws only its own row for an incoming message", async (chat) => {
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
  const rows: number[] = [];
  for (let i = 0; i < samples; i++) {
    const drawn = ada.evaluate(() =>
      new Promise<number>((done) => {
        const observer = new MutationObserver((changes) => {
          observer.disconnect();
          const count = changes.reduce(
            (sum, { addedNodes, removedNodes }) => sum + addedNodes.length + removedNodes.length,
            0,
          );
          requestAnimationFrame(() => requestAnimationFrame(() => done(count)));
        });
        const rows = document.querySelector("#rows");
        if (rows !== null) observer.observe(rows, { childList: true });
      })
    );
    server.publish("lobby", { text: `news ${i}.` });
    rows.push(await drawn);
  }
  // The first one brings the line "new since".
  assertEquals(rows.slice(1), rows.slice(1).map(() => 1));
});
