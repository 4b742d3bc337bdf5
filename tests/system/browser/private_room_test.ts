// Private rooms: people who share a link, and a server that cannot read or forge their messages.

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { hkdfSync } from "node:crypto";
import {
  browserTest,
  joinRoom,
  messageTexts,
  openSettings,
  plainHost,
  send,
  signIn,
  waitForMessage,
  waitUntil,
} from "./browser_harness.ts";
import type { Page, TestChat } from "./browser_harness.ts";

const unverified = "This message can't be verified";
const incomplete = "This link is incomplete";

/** The fields of a push that an attack changes. */
interface Fields {
  readonly type?: string;
  readonly text?: string;
  readonly nonce?: string;
  readonly member?: string;
  readonly from?: string;
}

/** Creates a private room, and returns its link. */
async function makeRoom(page: Page): Promise<string> {
  await page.click("text=New private room");
  const link = await page.inputValue("#dialog input[readonly]");
  await page.click("#dialog >> text=Close");
  return link;
}

/** Opens a link in a new browser. */
async function follow(chat: TestChat, link: string, name: string): Promise<Page> {
  const page = await chat.newVisitor();
  await page.goto(link);
  await signIn(page, name);
  return page;
}

/** Runs an action in the menu of the last message. */
async function act(page: Page, text: string, action: string): Promise<void> {
  await page.locator("#rows article", { hasText: text }).first().hover();
  await page.click(".bar >> text=More");
  await page.click(`.menu >> text=${action}`);
}

browserTest("shares a private room by its link, with edits and replies [S3] [S5]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const link = await makeRoom(ada);
  assert(/^http:\S+\/r\/p-[a-z2-7]{30}#[\w-]{43}$/.test(link), link);
  const [keyless = "", secret = ""] = link.split("#");
  assertEquals(ada.url(), keyless);
  await send(ada, "Good morning");
  const ben = await follow(chat, link, "Ben");
  await waitForMessage(ben, "Good morning");
  assertEquals(ben.url(), keyless);
  await act(ben, "Good morning", "Reply");
  await send(ben, "Good morning, Ada");
  await waitForMessage(ada, "Good morning, Ada");
  assertEquals(await ada.textContent(".quote"), "Ada: Good morning");
  await act(ada, "Good morning", "Edit");
  await send(ada, "Good evening");
  await waitForMessage(ben, "Good evening");
  assertEquals(await ben.textContent(".quote"), "Ada: Good evening");
  await act(ada, "Good evening", "Edit");
  await send(ada, "Good evening, all");
  await waitForMessage(ben, "Good evening, all");
  for (const page of [ada, ben]) {
    assertEquals((await messageTexts(page)).length, 2);
    assertEquals(await page.textContent("#room-title"), "# Private room");
    assert((await page.title()).includes("#Private room"));
    const html = await page.content();
    assert(!html.includes(secret) || page === ada, "only the closed dialog has the link");
  }

  // Stored messages open again without the server, and the key comes from the browser's storage.
  await ben.reload();
  await waitForMessage(ben, "Good evening");
  await send(ben, "/search evening");
  await ben.locator(".results mark", { hasText: "evening" }).waitFor();
  await ben.locator("#dialog", { hasText: "The server can't search this room" }).waitFor();
  // Queries are the same as those that the server answers.
  await ben.fill("#dialog input", "from:ada “évening all” go*");
  await ben.locator(".results mark", { hasText: /^Good$/ }).waitFor();
  await ben.locator(".results mark", { hasText: /^evening, all$/ }).waitFor();
  await ben.click("#dialog >> text=Close");

  await ben.click("text=Room link");
  await ben.fill("#room-label", "Family");
  await ben.press("#room-label", "Enter");
  await ben.click("#dialog >> text=Close");
  await ben.locator("#room-list", { hasText: "# Family" }).waitFor();
  await ben.locator("#people-list li", { hasText: "Ada" }).getByRole("button").click();
  await ben.click("#dialog >> text=Hide messages");
  await send(ben, "/search evening");
  await ben.locator("#dialog", { hasText: "The server can't search this room" }).waitFor();
  assertEquals(await ben.locator(".results a").count(), 0);
  assertEquals(await ben.textContent("#room-title"), "# Family");
  assertEquals(await ada.textContent("#room-title"), "# Private room");
});

browserTest(
  "takes selected private rooms to another device, and lists them [S3]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const [room] = [await makeRoom(ada), await makeRoom(ada)];
    await ada.locator("#room-list", { hasText: "# Private room 2" }).waitFor();
    await ada.click("#room-list >> text=# Private room >> nth=0");
    await send(ada, "Good morning");
    await waitForMessage(ada, "Good morning");
    await openSettings(ada);
    await ada.click("#dialog >> text=Use this name on another device");
    const link = () => ada.inputValue("#dialog input[readonly]");
    assert(!(await link()).includes("room="));
    await ada.check("#dialog label:has-text('# Private room') input >> nth=0");
    const phone = await chat.visit();
    await phone.goto("about:blank");
    await phone.goto(await link());
    await phone.locator("#dialog p", { hasText: "# Private room" }).waitFor();
    await phone.click("text=Continue as Ada");
    await phone.click("#room-list >> text=# Private room");
    await waitForMessage(phone, "Good morning");
    assertEquals(phone.url(), room?.split("#")[0]);
    assertEquals(await phone.locator("#room-list li").count(), 2);

    // When rooms are moved again, a room keeps a key that is known to be right.
    const wrong = (await link()).replace(room?.split("#")[1] ?? "", "A".repeat(43));
    await phone.goto("about:blank");
    await phone.goto(wrong.replace(/token=.{8}/, "token=AAAAAAAA").replace("=Ada", "=Cleo"));
    await phone.click("text=Continue as Cleo");
    await phone.click("#room-list >> text=# Private room");
    await phone.click("text=Room link");
    assertEquals(await phone.inputValue("#dialog input[readonly]"), room);
    await phone.click("#dialog >> text=Close");

    // A room that was left keeps its key.
    await send(phone, "/leave");
    await phone.click("#all-rooms");
    await phone.click("#dialog >> text=# Private room");
    await waitForMessage(phone, "Good morning");
    assert(!(await phone.innerText("body")).includes("p-"));
  },
);

browserTest("offers no private rooms on plain http", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.click("#all-rooms");
  await ada.click("#dialog >> text=Close");
  assertEquals(await ada.locator("text=New private room").count(), 0);
  const link = await chat.openTab(ada.context(), `r/p-${"a".repeat(30)}#${"A".repeat(43)}`);
  await link.locator("#rows", { hasText: "Private rooms need https" }).waitFor();
  assertEquals(await link.isVisible("#composer"), false);
}, { host: plainHost, env: { ALLOWED_HOSTS: plainHost } });

browserTest("neither joins nor sends with an incomplete link [S3]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const link = await makeRoom(ada);
  await send(ada, "Good morning");
  const [keyless = ""] = link.split("#");
  // The key leaves the address before anything else loads.
  const early = await chat.newVisitor();
  await early.route(/\/assets\/(words_|private)/, () => {});
  await early.goto(link);
  assertEquals(early.url(), keyless);
  await early.unrouteAll();
  const ben = await follow(chat, keyless, "Ben");
  await ben.locator("#rows", { hasText: incomplete }).waitFor();
  assertEquals(await ben.isVisible("#composer"), false);
  assertEquals(await ben.textContent("#room-title"), "# Private room without its key");
  // A key of another room, and then the whole link in the same tab.
  await ben.goto(`${keyless}#${"A".repeat(43)}`);
  await ben.locator("#rows", { hasText: incomplete }).waitFor();
  assertEquals(ben.url(), keyless);
  // Anything copied after the key is ignored.
  await ben.goto(`${link}).`);
  await waitForMessage(ben, "Good morning");
  assertEquals(ben.url(), keyless);
  assertEquals(await ben.textContent("#room-title"), "# Private room");
  await send(ben, "Here I am");
  await waitForMessage(ada, "Here I am");
});

browserTest("shows no text that a hostile server changed [S7] [S8]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const link = await makeRoom(ada);
  const ben = await chat.newVisitor();
  const sealed: Fields[] = [];
  /** The changes that the server makes to each message on its way to Ben. */
  const attacks: ((message: Fields) => Fields)[] = [
    (message) => message,
    (message) => ({ ...message, text: sealed[0]?.text ?? "" }),
    ({ text = "", ...message }) => ({ ...message, text: `${text.slice(0, -9)}AAAAAAAAA` }),
    ({ text = "", ...message }) => ({ ...message, text: text.slice(0, 100) }),
    (message) => ({ ...message, ...replay() }),
    (message) => ({ ...message, member: "AAAAAAAAAAAAAAAA", from: "Eve" }),
    (message) => ({ ...message, text: "Send the money to Eve" }),
    (message) => message,
  ];
  const replay = () => ({ nonce: sealed[0]?.nonce ?? "", text: sealed[0]?.text ?? "" });
  await ben.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => {
      const pushes: Fields[] = JSON.parse(String(frame));
      const changed = pushes.map((push) => {
        if (push.type !== "message") return push;
        sealed.push(push);
        return attacks[sealed.length - 1]?.(push) ?? push;
      });
      socket.send(JSON.stringify(changed));
    });
  });
  await ben.goto(link);
  await signIn(ben, "Ben");
  await ben.locator("#rows", { hasText: "No messages yet" }).waitFor();
  const texts = attacks.map((_, i) => `message ${i}`);
  for (const text of texts) await send(ada, text);
  await waitForMessage(ben, "message 7");
  const shown = texts.map((text, i) => i === 0 || i === 7 ? text : unverified);
  assertEquals(await messageTexts(ben), shown);
  assertEquals(sealed.length, attacks.length);
  assert(!(await ben.content()).includes("money"));
}, { env: { RATE_PER_SECOND: "0" } });

browserTest("hides a text once an older page shows that it is a replay [S8]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const link = await makeRoom(ada);
  await send(ada, "yes");
  const eve = await follow(chat, link, "Eve");
  await send(eve, "really?");
  await waitForMessage(ada, "really?");
  await send(ada, "no");
  await waitForMessage(eve, "no");
  const isDrawn = Promise.withResolvers<void>();
  const ben = await chat.newVisitor();
  await ben.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage(async (frame) => {
      const pushes: { messages?: { nonce: string }[]; type: string }[] = JSON.parse(String(frame));
      if (pushes.some(({ type }) => type === "history")) await isDrawn.promise;
      socket.send(JSON.stringify(pushes.map((push) => {
        const [first] = push.messages ?? [];
        // Instead of "no", the newest page has "yes" once more.
        const isNewest = push.type === "room" && first !== undefined;
        return isNewest ? { ...push, messages: [{ ...first, offset: 3 }] } : push;
      })));
    });
  });
  await ben.goto(link);
  await signIn(ben, "Ben");
  await waitForMessage(ben, "yes");
  await ben.locator("#rows .rule", { hasText: /\S/ }).waitFor();
  isDrawn.resolve();
  await ben.locator("#rows", { hasText: unverified }).waitFor();
  assertEquals(await messageTexts(ben), ["yes", "really?", unverified]);
});

browserTest(
  "links to messages of a private room, and lets moderators delete and mute there [B2] [B3]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const link = await makeRoom(ada);
    const [keyless = ""] = link.split("#");
    const ben = await follow(chat, link, "Ben");
    for (const text of ["Good morning", "Good evening"]) await send(ben, text);
    await waitForMessage(ada, "Good evening");
    // A link to a message opens only for those with the key.
    await joinRoom(ada, "design");
    await send(ada, `${keyless}/1`);
    await ada.click(`#rows a:has-text("${keyless}/1")`);
    await ada.locator("article.target", { hasText: "Good morning" }).waitFor();
    assertEquals(ada.url(), `${keyless}/1`);
    const eve = await chat.signIn("Eve");
    await joinRoom(eve, "design");
    await eve.click(`#rows a:has-text("${keyless}/1")`);
    await eve.locator("#composer-problem", { hasText: incomplete }).waitFor();

    await send(ada, "/moderate");
    await ada.fill("#moderator-code", "keep-the-peace");
    await ada.press("#moderator-code", "Enter");
    await ada.locator("#dialog", { hasText: "Nobody is muted or banned." }).waitFor();
    assertEquals(await ada.locator("#title-field").count(), 0);
    await ada.click("#dialog >> text=Close");
    await act(ada, "Good morning", "Delete");
    await ada.click(".menu .primary");
    await ben.locator("#rows", { hasText: "Message deleted" }).waitFor();
    assertEquals((await messageTexts(ben)).includes("Good morning"), false);
    await act(ada, "Good evening", "Mute, ban or hide…");
    await ada.locator("#dialog").getByText("Mute", { exact: true }).click();
    await ada.locator("#dialog", { hasText: "Muted: Ben" }).waitFor();
    await send(ben, "Hello?");
    await ben.locator("#log", { hasText: "A moderator has muted you until" }).waitFor();
  },
  { env: { MODERATOR_CODE: "keep-the-peace" } },
);

browserTest("sends neither key nor text to the server [S1] [S2]", async (chat) => {
  const heard: string[] = [];
  const listen = (page: Page) => {
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => heard.push(String(payload)));
      socket.on("framereceived", ({ payload }) => heard.push(String(payload)));
    });
    page.on("request", (request) => {
      // Playwright adds the fragment, which the browser doesn't send.
      const [url = ""] = request.url().split("#");
      heard.push(url, JSON.stringify(request.headers()), request.postData() ?? "");
    });
  };
  const ada = await chat.signIn("Ada");
  listen(ada);
  const link = await makeRoom(ada);
  const [keyless = "", secret = ""] = link.split("#");
  const room = keyless.split("/r/")[1] ?? "";
  await send(ada, "Xylophone");
  await waitForMessage(ada, "Xylophone");
  const ben = await chat.newVisitor();
  listen(ben);
  await ben.goto(link);
  await signIn(ben, "Ben");
  await waitForMessage(ben, "Xylophone");
  await act(ben, "Xylophone", "Reply");
  await send(ben, "Zeppelin, Ada");
  await waitForMessage(ada, "Zeppelin");
  await act(ada, "Xylophone", "Edit");
  await send(ada, "Quetzalcoatl");
  await waitForMessage(ben, "Quetzalcoatl");
  await ben.fill("#text", "Bandersnatch, a draft");
  await send(ada, "/search Quetzalcoatl");
  await ada.locator(".results mark").first().waitFor();
  await ada.click("#dialog >> text=Close");
  await send(ada, "/title Xylophone");
  await ada.click("#dialog >> text=Close");
  await act(ada, "Quetzalcoatl", "Copy link");
  await ada.keyboard.press("Escape");
  await openSettings(ada);
  await ada.click("#dialog >> text=Use this name on another device");
  assert(!(await ada.inputValue("#dialog input[readonly]")).includes(secret));
  await ada.click("#dialog >> text=Close");
  await joinRoom(ada, "design");
  await ada.goBack();
  await waitForMessage(ada, "Quetzalcoatl");
  for (const page of [ada, ben]) await page.reload();
  await waitForMessage(ben, "Quetzalcoatl");
  await act(ada, "Quetzalcoatl", "Delete");
  await ada.click(".menu .primary");
  await ben.locator("#rows", { hasText: "Message deleted" }).waitFor();

  const key = Buffer.from(secret, "base64url");
  const derived = Buffer.from(hkdfSync("sha256", key, "", "parley private room key", 32));
  const secrets = {
    link: secret,
    "key in bytes": key.toString("latin1"),
    "key in hex": key.toString("hex"),
    "derived key in bytes": derived.toString("latin1"),
    "derived key in base64": derived.toString("base64url"),
    text: "Xylophone",
    reply: "Zeppelin",
    edit: "Quetzalcoatl",
    draft: "Bandersnatch",
    label: "Private room",
  };
  const files = await filesIn(chat.dir ?? "");
  const all = { ...files, "frames and requests": heard.join("\n") };
  const leaks = Object.entries(all).flatMap(([place, content]) =>
    Object.entries(secrets).filter(([, secret]) => content.includes(secret))
      .map(([what]) => `${what} in ${place}`)
  );
  assertEquals(leaks, []);
  // The scan looks in the right places: each of them knows the room.
  await waitUntil(
    "the log has the room",
    async () => /p-/.test(JSON.stringify(await filesIn(chat.dir ?? ""))),
  );
  const knowing = Object.entries(all).filter(([, content]) => content.includes(room))
    .map(([place]) => place);
  for (const place of ["parley.db", "access.log", "messages.log", "frames and requests"]) {
    assert(knowing.some((name) => name.includes(place)), `${place}: ${knowing}`);
  }
}, { needsProcess: true, env: { LOG_MESSAGE_TEXT: "1", RATE_PER_SECOND: "0" } });

/** Returns the files below a folder, each byte as one character. */
async function filesIn(dir: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const path = `${dir}/${name}`;
    if (isDirectory) Object.assign(files, await filesIn(path));
    else files[name] = Buffer.from(await Deno.readFile(path)).toString("latin1");
  }
  return files;
}
