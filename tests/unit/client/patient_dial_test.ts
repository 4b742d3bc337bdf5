// Dialing after sockets that failed to open.

import { assertEquals } from "@std/assert";
import { patientDial } from "../../../static/client/state/patient_dial.ts";
import { FakeSocket } from "../../support/page_harness.ts";

/** A page that dials while `reply` is what its server replies. */
class Dialer {
  readonly sockets: FakeSocket[] = [];
  readonly codes: number[] = [];
  reply: Promise<boolean> = Promise.resolve(false);
  asked = 0;
  readonly #dial = patientDial((_subprotocol, events) => {
    const socket = new FakeSocket(events);
    this.sockets.push(socket);
    return socket;
  }, () => {
    this.asked++;
    return this.reply;
  });

  dial() {
    const onClose = (code: number) => void this.codes.push(code);
    return this.#dial("parley.v1", { onOpen() {}, onFrame() {}, onClose });
  }

  /** Waits until the reply has been handled. */
  async settle(): Promise<void> {
    await new Promise((done) => setTimeout(done));
  }
}

Deno.test("patientDial() opens no socket after a failure until the server is up", async () => {
  const page = new Dialer();
  page.dial();
  assertEquals(page.sockets.length, 1);
  page.sockets[0]?.events.onClose(1006, "");
  page.dial();
  await page.settle();
  page.reply = Promise.reject(new TypeError("Failed to fetch"));
  page.dial();
  await page.settle();
  assertEquals([page.sockets.length, page.codes], [1, [1006, 1006, 1006]]);
  page.reply = Promise.resolve(true);
  page.dial();
  await page.settle();
  assertEquals(page.sockets.length, 2);
});

Deno.test("patientDial() opens a socket at once after one that has opened", () => {
  const page = new Dialer();
  page.dial();
  page.sockets[0]?.events.onOpen();
  page.sockets[0]?.events.onClose(1006, "");
  page.dial();
  assertEquals([page.sockets.length, page.asked], [2, 0]);
});

Deno.test("patientDial() opens no socket that was closed before the reply", async () => {
  const page = new Dialer();
  page.dial();
  page.reply = Promise.resolve(true);
  page.dial().close(1000, "");
  await page.settle();
  assertEquals(page.sockets.length, 1);
});
