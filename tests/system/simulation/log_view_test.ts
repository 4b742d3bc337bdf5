// The simulation's view of a log, which it compares with the page.

import { assertEquals } from "@std/assert";
import type { EntryPush, RoomPush } from "../../../app/protocol/wire.ts";
import { LogView } from "./log_view.ts";

const fields = { room: "lobby", member: "ada", from: "Ada", at: 0 };

function message(offset: number, text?: string, amended?: number): EntryPush {
  return {
    type: "message",
    ...fields,
    offset,
    nonce: `n${offset}`,
    ...(text === undefined ? {} : { text }),
    ...(amended === undefined ? {} : { amended }),
  };
}

function edit(offset: number, target: number, text?: string): EntryPush {
  const nonce = `n${offset}`;
  return {
    type: "edit",
    ...fields,
    offset,
    nonce,
    target,
    ...(text === undefined ? {} : { text }),
  };
}

function page(messages: readonly EntryPush[], more: Partial<RoomPush> = {}): RoomPush {
  const offset = messages.at(-1)?.offset ?? 0;
  return {
    type: "room",
    room: "lobby",
    epoch: "e",
    first: 1,
    offset,
    messages,
    more: false,
    recovered: false,
    ...more,
  };
}

function texts({ messages }: LogView): readonly (string | undefined)[] {
  return [...messages.values()].map(({ text }) => text);
}

Deno.test("LogView applies amendments only to messages sent in the state before them [E7]", () => {
  const view = new LogView();
  view.load(page([message(1, "newest", 4), message(2, "b")]));
  const entries: EntryPush[] = [
    edit(3, 1, "older"),
    edit(4, 1, "newest"),
    edit(5, 2),
    { type: "delete", ...fields, offset: 6, nonce: "n6", targets: [2, 9] },
    edit(7, 9, "unknown target"),
  ];
  for (const entry of entries) assertEquals(view.append(entry), "applied");
  assertEquals(texts(view), ["newest", undefined]);
  view.prepend({ type: "history", room: "lobby", messages: [], first: 1, head: 7 });
  assertEquals(view.head, 7);
});

Deno.test("LogView counts the offset of an unknown entry and shows nothing [E9]", () => {
  const view = new LogView();
  view.load(page([message(1, "a")]));
  const unknown = { type: "sticker", ...fields, offset: 2, nonce: "n2" } as unknown as EntryPush;
  assertEquals(view.append(unknown), "applied");
  assertEquals([view.append(message(3, "b")), view.append(message(5, "d"))], ["applied", "gap"]);
  assertEquals(texts(view), ["a", "b"]);
});
