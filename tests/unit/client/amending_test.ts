// Editing and deleting the person's messages, through a chat client on a fake socket.

import { assertEquals } from "@std/assert";
import { deleteMessage, editMessage } from "../../../static/client/state/amending.ts";
import { lobby, message, Page, unsent } from "../../support/page_harness.ts";

/** Returns the type, target and text of each command that a page sent. */
function sent(page: Page): unknown[][] {
  return page.socket.take().map(({ type, offset, text }) => [type, offset, text]);
}

function outbox(page: Page) {
  return page.chat.outbox.messagesIn("lobby");
}

Deno.test("editMessage() and deleteMessage() change a never-sent message in place", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "one");
  page.chat.send("lobby", "two");
  const [one, two] = outbox(page);
  if (one === undefined || two === undefined) throw new Error("Cannot find the messages");
  assertEquals(editMessage(page.chat, lobby(page), one, " \n")?.code, "text_empty");
  editMessage(page.chat, lobby(page), one, "better");
  deleteMessage(page.chat, lobby(page), two);
  assertEquals(unsent(page), ["better"]);
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.accept();
  assertEquals(sent(page), [["message", undefined, "better"]]);
});

Deno.test("editMessage() queues one edit behind a sent message, and updates that edit", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const [one] = outbox(page);
  if (one === undefined) throw new Error("Cannot find the message");
  const [first] = page.socket.take();
  editMessage(page.chat, lobby(page), one, "two");
  editMessage(page.chat, lobby(page), one, "three");
  assertEquals([unsent(page), sent(page)], [["one", "three"], []]);
  page.socket.push(message(1, { member: "me", nonce: String(first?.nonce), text: "one" }));
  assertEquals(sent(page), [["edit", 1, "three"]]);
  // The edit is in flight, so another one follows it, although the page still has the old message.
  editMessage(page.chat, lobby(page), one, "four");
  assertEquals(unsent(page), ["three", "four"]);
});

Deno.test("deleteMessage() drops unsent edits, and queues the deletion", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const [one] = outbox(page);
  if (one === undefined) throw new Error("Cannot find the message");
  editMessage(page.chat, lobby(page), one, "two");
  deleteMessage(page.chat, lobby(page), one);
  page.socket.take();
  page.socket.push({ type: "ack", room: "lobby", nonce: one.nonce, offset: 4 });
  assertEquals(sent(page), [["delete", 4, undefined]]);
});

Deno.test("deleteMessage() never takes another member's message with the same nonce for its own", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const [one] = outbox(page);
  if (one === undefined) throw new Error("Cannot find the message");
  const { nonce } = one;
  page.socket.push(message(1, { nonce }), message(2, { member: "me", nonce, text: "one" }));
  page.socket.take();
  deleteMessage(page.chat, lobby(page), one);
  assertEquals(sent(page), [["delete", 2, undefined]]);
});

Deno.test("editMessage() refuses a message that was discarded", () => {
  const page = new Page().signIn();
  const gone = { nonce: "gone", room: "lobby", text: "x", at: 1, state: "pending" } as const;
  assertEquals(editMessage(page.chat, lobby(page), gone, "y")?.code, "not_found");
  assertEquals(deleteMessage(page.chat, lobby(page), gone)?.code, "not_found");
});
