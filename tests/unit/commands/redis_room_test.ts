// export and remove-room with Redis.

import { assertEquals, assertRejects } from "@std/assert";
import { exportLines } from "../../../app/commands/export.ts";
import { readRedisRoom, removeRedisRoom } from "../../../app/commands/redis_room.ts";
import { BrokerNode, newest, testKey, testWithRedis } from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { draft } from "../broker/broker_contract.ts";
import { edit } from "../broker/entries_contract.ts";

const prefix = testKey("");

testWithRedis("readRedisRoom() yields the messages of a room in use", async ({ url }) => {
  await using node = await BrokerNode.start(url);
  const texts = Array.from({ length: 501 }, (_, i) => `message ${i}`);
  await node.broker.append([
    ...texts.map((text) => draft(text)),
    draft("tea", { room: "tea" }),
    edit(501, "message 500"),
  ]);
  const lines = await Array.fromAsync(exportLines(readRedisRoom(url, prefix, "lobby"), "jsonl"));
  const messages = lines.map((line) => JSON.parse(line));
  assertEquals(messages.map(({ text }) => text), texts);
  const { at, ...first } = messages[0];
  assertEquals(first, { room: "lobby", offset: 1, member: "ada", from: "Ada", text: "message 0" });
  assertEquals(new Date(at).toISOString(), at);
  assertEquals([messages[499].editedAt, typeof messages[500].editedAt], [undefined, "string"]);
  const none = () => Array.fromAsync(readRedisRoom(url, prefix, "none"));
  await assertRejects(none, Error, "Cannot export none: it has no messages");
});

testWithRedis("removeRedisRoom() removes a room, and notifies the servers", async (redis) => {
  const { url } = redis;
  await using node = await BrokerNode.start(url);
  const drafts = Array.from({ length: 5_000 }, (_, i) => draft(`secret ${i}`));
  await node.broker.append([...drafts, draft("tea", { room: "tea" })]);
  // A node that falls behind the feed compares only the rooms that it has read.
  await node.broker.read("lobby", newest);
  await removeRedisRoom(url, prefix, "lobby");
  await until(() => node.pruned.length > 0);
  assertEquals(node.pruned, ["lobby 5001"]);
  assertEquals(await redis.cli("XLEN", testKey("log:lobby")), "0");
  assertEquals(await redis.cli("EXISTS", testKey("text:lobby")), "0");
  assertEquals((await node.broker.newestRooms(10)).map(({ room }) => room), ["tea"]);
  const remove = () => removeRedisRoom(url, prefix, "lobby");
  await assertRejects(remove, Error, "Cannot remove lobby: it has no messages");
  await node.broker.append([draft("new")]);
  const { entries, first } = await node.broker.read("lobby", newest);
  assertEquals([entries.length, entries[0]?.offset, first], [1, 5_001, 5_001]);
});
