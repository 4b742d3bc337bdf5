// A log folder that is removed, full or not writable.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { refusal } from "../../support/server_bench.ts";
import type { ChatClient } from "../../support/chat_client.ts";
import { until } from "../../support/waiting.ts";
import {
  limitFiles,
  noModes,
  noMount,
  noOwners,
  test,
  underLimit,
  underModes,
  withDisk,
} from "./fault_harness.ts";

/** Sends messages until one is logged, since a log is only reopened to write a line. */
async function sendUntilLogged(ada: ChatClient, log: () => string): Promise<void> {
  await until(async () => {
    assertEquals((await ada.sendMessage("on")).error, undefined);
    return log().includes("event=message");
  }, "a message is logged");
}

test(
  "a removed log folder is recreated, and the chat continues",
  undefined,
  async (bench) => {
    const { dir, start, join, log } = bench;
    const ada = await join(await start(), "Ada");
    await ada.sendMessage("one");
    Deno.removeSync(`${dir}/logs`, { recursive: true });
    await sendUntilLogged(ada, () => log("messages.log"));
  },
);

test(
  "a log that cannot grow is reported on the console, and resumes later",
  undefined,
  async (bench) => {
    const { dir, start, join, log } = bench;
    Deno.mkdirSync(`${dir}/logs`);
    for (const name of ["access", "error", "websocket"]) {
      Deno.writeTextFileSync(`${dir}/logs/${name}.log`, "");
      Deno.truncateSync(`${dir}/logs/${name}.log`, 2_000_000);
    }
    const server = await start({ under: underLimit(1_000) });
    const ada = await join(server, "Ada");
    assertEquals((await ada.sendMessage("one")).offset, 1);
    await server.waitForLine(/^Cannot write .*log: .*the chat continues without it$/);
    await limitFiles(server);
    await sendUntilLogged(ada, () => log("messages.log"));
  },
);

test(
  "a log that belongs to another user is reported on the console with the remedy",
  noModes ?? noOwners,
  async ({ dir, start, join }) => {
    Deno.mkdirSync(`${dir}/logs`);
    const file = `${dir}/logs/messages.log`;
    Deno.writeTextFileSync(file, "", { mode: 0o600 });
    Deno.chownSync(file, 12_345, null);
    const server = await start({ under: underModes });
    const ada = await join(server, "Ada");
    assertEquals((await ada.sendMessage("one")).offset, 1);
    await server.waitForLine(
      /^Cannot write .*messages.log belongs to user 12345, .*chown -R 0 .*the chat continues without it$/,
    );
  },
);

test(
  "a log folder that cannot be created stops the server from starting, with the reason",
  undefined,
  async ({ dir, start }) => {
    Deno.writeTextFileSync(`${dir}/logs`, "in the way");
    const message = await refusal(start());
    assertStringIncludes(message, `Cannot use LOG_DIR="${dir}/logs": must be a folder`);
  },
);

test(
  "a log folder that cannot be written stops the server from starting, with the reason",
  noModes,
  async ({ dir, start }) => {
    Deno.mkdirSync(`${dir}/logs`);
    Deno.chmodSync(`${dir}/logs`, 0o555);
    const message = await refusal(start({ under: underModes }));
    assertStringIncludes(message, `Cannot use LOG_DIR="${dir}/logs": Permission denied`);
  },
);

test(
  "a disk full of logs does not disturb the chat",
  noMount,
  async ({ dir, start, join }) => {
    await withDisk(`${dir}/logs`, 64, async () => {
      Deno.writeFileSync(`${dir}/logs/ballast`, new Uint8Array(64 * 1024));
      const server = await start();
      const ada = await join(server, "Ada");
      await server.waitForLine(/^Cannot write .*No space left.*the chat continues without it$/);
      assertEquals((await ada.sendMessage("one")).offset, 1);
      await server.end("SIGKILL");
    });
  },
);
