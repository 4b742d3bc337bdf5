// The browser's own EventSource on a room, across a kill and a restart of the server.

import { assertEquals } from "@std/assert";
import { browserTest, noRateLimit } from "./browser_harness.ts";
import type { TestChat } from "./browser_harness.ts";

/** Posts numbers in order, and repeats each until it is stored. */
async function postNumbers(chat: TestChat, from: number, to: number): Promise<void> {
  for (let n = from; n <= to;) {
    try {
      const response = await fetch(`${chat.url}r/builds`, {
        method: "POST",
        body: String(n),
        headers: {
          authorization: `Basic ${btoa(`ci:${"c".repeat(43)}`)}`,
          "idempotency-key": `n${n}`,
        },
      });
      await response.body?.cancel();
      if (response.status === 201) n++;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

browserTest(
  "gets every entry of an event stream once across a kill and a restart [H14]",
  async (chat) => {
    const page = await chat.visit();
    await page.evaluate(() => {
      const source = new EventSource("/r/builds");
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      source.onmessage = ({ data, lastEventId }) => {
        const { text, epoch, offset } = JSON.parse(data);
        seen.push(lastEventId === `${epoch}:${offset}` ? text : `wrong id ${lastEventId}`);
      };
      for (const type of ["room", "gap"]) source.addEventListener(type, () => seen.push(type));
    });
    const waitForEvents = async (count: number) => {
      await page.waitForFunction(
        (count) => (globalThis as unknown as { seen: string[] }).seen.length >= count,
        count,
      );
      return await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
    };
    await waitForEvents(1);
    await postNumbers(chat, 1, 10);
    await waitForEvents(11);
    await chat.killServer();
    const posted = postNumbers(chat, 11, 20);
    await chat.startServer();
    await posted;
    const numbers = Array.from({ length: 20 }, (_, i) => String(i + 1));
    const all = await waitForEvents(22);
    assertEquals(all.filter((text) => text !== "room"), numbers);
  },
  { ...noRateLimit, needsProcess: true },
);
