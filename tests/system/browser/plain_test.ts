import { assertEquals } from "@std/assert";
import { hears, say, Scene, signIn, texts } from "./browser_harness.ts";
import { ServerProcess } from "../../support/server_process.ts";

Deno.test({
  name: "page does everything else where a plain http address of a network keeps things from it",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const scene = await Scene.open({}, { host: "chat.office.example" });
    try {
      const ada = await scene.enter("Ada");
      const missing = await ada.evaluate(() => ({
        secure: isSecureContext,
        // What a page of https or localhost has.
        uuid: "randomUUID" in crypto,
        locks: "locks" in navigator,
        worker: "serviceWorker" in navigator,
        notification: "Notification" in globalThis && Notification.permission !== "denied",
        badge: "setAppBadge" in navigator,
        clipboard: "clipboard" in navigator,
      }));
      assertEquals(Object.values(missing), Object.values(missing).map(() => false));
      assertEquals(new URL(ada.url()).hostname, "chat.office.example");

      const ben = await scene.enter("Ben");
      await say(ada, "```\nhere\n```");
      await hears(ben, "here");
      assertEquals(await ben.locator("#rows .block button").count(), 0);
      await ben.type("#text", "hm");
      await ada.locator("#typing", { hasText: "Ben is typing" }).waitFor();
      await ben.fill("#text", "");

      const { port } = scene.server;
      await scene.server.end("SIGKILL");
      await ada.locator("#status:not(:empty)").waitFor();
      await say(ada, "written without the server");
      scene.server = await ServerProcess.start(scene.dir, { port });
      await hears(ben, "written without the server");
      await ada.reload();
      await hears(ada, "written without the server");
      assertEquals(await ada.textContent("#me-name"), "Ada");
      assertEquals(await texts(ada), await texts(ben));

      const again = await scene.tab(ada.context(), "r/design");
      await again.locator("#room-title", { hasText: "# design" }).waitFor();
      await again.locator("#rows .empty a").waitFor();
      assertEquals(await again.locator("#rows .empty button").count(), 0);
      await ben.click("#me");
      await ben.locator("#dialog[open]").waitFor();
      assertEquals(await ben.locator("#dialog", { hasText: "notifications" }).count(), 0);
      await ben.click("text=Use this name on another device");
      await ben.locator("#dialog input[readonly]").waitFor();
      assertEquals(await ben.locator("#dialog", { hasText: "Copy" }).count(), 0);
      await ben.click("text=Sign out");
      await signIn(ben, "Ben B");
      assertEquals(scene.errors, []);
    } finally {
      await scene.close();
    }
  },
});
