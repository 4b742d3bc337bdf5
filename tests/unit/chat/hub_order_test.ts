// A session's messages reach its rooms before the pushes that its member left or was renamed.

import { assertEquals } from "@std/assert";
import type { Push } from "../../../app/protocol/wire.ts";
import { TestChat } from "../../support/hub_harness.ts";
import type { TestClient } from "../../support/hub_harness.ts";

function summaryOf(push: Push): string {
  switch (push.type) {
    case "message":
      return `${push.from}: ${push.text}`;
    case "left":
      return `${push.username} left`;
    case "renamed":
      return `${push.from} is ${push.to}`;
    default:
      return push.type;
  }
}

/** Returns the pushes to Ben if Ada writes twice and does something else in the same turn. */
async function received(
  isAsync: boolean,
  next: (ada: TestClient, chat: TestChat) => void,
): Promise<string[]> {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ben.frames();
  chat.broker.isAsync = isAsync;
  for (const text of ["one", "two"]) {
    ada.put({ type: "message", room: "lobby", text, nonce: text });
  }
  next(ada, chat);
  await chat.settle();
  return ben.pushes().map(summaryOf);
}

const messages = ["Ada: one", "Ada: two"];
const third = { type: "message", room: "lobby", text: "three", nonce: "three" };

for (const isAsync of [false, true]) {
  const mode = isAsync ? "an asynchronous broker" : "a synchronous broker";

  Deno.test(`ChatHub.leave() takes effect after the session's messages, with ${mode} [P9]`, async () => {
    const pushes = await received(isAsync, (ada) => {
      ada.put({ type: "leave", room: "lobby" });
      ada.put(third);
    });
    assertEquals(pushes, [...messages, "Ada left"]);
  });

  Deno.test(`ChatHub.leave() replies to the session's messages first, with ${mode} [M5]`, async () => {
    const chat = new TestChat();
    const ada = chat.enter("Ada");
    chat.broker.isAsync = isAsync;
    ada.put({ type: "message", room: "lobby", text: "one", nonce: "one" });
    ada.put({ type: "leave", room: "lobby" });
    await chat.settle();
    assertEquals(ada.pushes().map(summaryOf), ["Ada: one", "Ada left"]);
  });

  Deno.test(`ChatHub.rename() takes effect after the session's messages, with ${mode} [P9]`, async () => {
    const pushes = await received(isAsync, (ada) => {
      ada.put({ type: "rename", username: "Lovelace" });
      ada.put(third);
    });
    assertEquals(pushes, [...messages, "Ada is Lovelace", "Lovelace: three"]);
  });

  Deno.test(`ChatHub.disconnect() takes effect after the session's messages, with ${mode} [C6]`, async () => {
    assertEquals(await received(isAsync, (ada) => ada.drop(1000)), [...messages, "Ada left"]);
  });

  Deno.test(`ChatHub.disconnect() takes effect after commands behind a rename, with ${mode} [C6] [P9]`, async () => {
    const pushes = await received(isAsync, (ada) => {
      ada.put({ type: "rename", username: "Lovelace" });
      ada.put(third);
      ada.drop(1000);
    });
    assertEquals(pushes, [
      ...messages,
      "Ada is Lovelace",
      "Lovelace: three",
      "Lovelace left",
    ]);
  });

  Deno.test(`ChatHub.drain() waits for commands behind a rename, with ${mode} [C7]`, async () => {
    const pushes = await received(isAsync, (ada, { hub }) => {
      ada.put({ type: "rename", username: "Lovelace" });
      ada.put(third);
      void hub.drain();
    });
    assertEquals(pushes, [...messages, "Ada is Lovelace", "Lovelace: three"]);
  });

  Deno.test(`ChatHub.disconnect() takes effect if messages cannot be stored, with ${mode} [C6] [M9]`, async () => {
    const pushes = await received(isAsync, (ada, { broker }) => {
      broker.isFailing = true;
      ada.drop(1000);
    });
    assertEquals(pushes, ["Ada left"]);
  });
}
