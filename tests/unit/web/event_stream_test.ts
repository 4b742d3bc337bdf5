// Rooms as event streams.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { setImmediate } from "node:timers";
import { matcherOf } from "../../../app/core/identity.ts";
import { closeCode } from "../../../app/protocol/wire.ts";
import { ConnectionLimits } from "../../../app/web/connection_limits.ts";
import { eventStream } from "../../../app/web/event_stream.ts";
import { Gathering } from "../../../app/web/gathering.ts";
import type { Hub } from "../../../app/web/options.ts";
import { ManualTime } from "../../support/manual_time.ts";
import { request, startRoomSite, storeMessages } from "../../support/room_site.ts";
import type { RoomSite } from "../../support/room_site.ts";
import { until, withDeadline } from "../../support/waiting.ts";
import { FakeHub } from "../../support/web_harness.ts";

/** An event as it was received. */
interface ReceivedEvent {
  readonly id?: string;
  readonly event?: string;
  readonly retry?: string;
  /** A comment. */
  readonly ""?: string;
  readonly data?: { readonly [key: string]: unknown };
}

/** Reads an event stream, one event at a time. */
class StreamReader implements AsyncDisposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    assert(response.body !== null);
    this.response = response;
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Returns the next event, or `undefined` at the end. */
  async next(): Promise<ReceivedEvent | undefined> {
    while (!this.#text.includes("\n\n")) {
      const { done, value } = await withDeadline("an event", this.#reader.read());
      if (done) return undefined;
      this.#text += value;
    }
    const end = this.#text.indexOf("\n\n");
    const lines = this.#text.slice(0, end).split("\n").map((line) => line.split(/: ?(.*)/, 2));
    this.#text = this.#text.slice(end + 2);
    const { data, ...event } = Object.fromEntries(lines);
    return data === undefined ? event : { ...event, data: JSON.parse(data) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

async function open(site: RoomSite, headers: Record<string, string> = {}, path = "/r/tea") {
  const accept = "text/event-stream";
  const stream = new StreamReader(
    await fetch(site.origin + path, { headers: { accept, ...headers } }),
  );
  assertEquals(await stream.next(), { retry: "1000" });
  return stream;
}

/** Opens a stream without a connection. */
function openDirectly(
  hub: Hub,
  limits: ConnectionLimits,
  gathering: Gathering,
  headers: Record<string, string> = {},
): Response {
  const url = new URL("http://localhost/r/tea");
  const peer = { address: "192.0.2.1", network: "192.0.2.1", scope: "public" } as const;
  return eventStream(hub, limits, gathering, {
    request: new Request(url, { headers }),
    url,
    pathname: url.pathname,
    params: { room: "tea", offset: "", file: "", other: "" },
    peer: peer.address,
    client: peer,
    accessCode: undefined,
    completed: new Promise(() => {}),
  }) as Response;
}

function unlimited(): ConnectionLimits {
  return new ConnectionLimits({ maxConnections: 0, maxConnectionsPerIp: 0 }, () => 0);
}

/** Opens a live stream on manual time. `send` sends it messages with these offsets. */
async function openGathered() {
  const time = new ManualTime();
  const hub = new FakeHub();
  const gathering = new Gathering((ms, task) => time.later(ms, task));
  const stream = new StreamReader(openDirectly(hub, unlimited(), gathering));
  const socket = hub.connected[0]?.socket;
  assert(socket !== undefined);
  const room = { type: "room", room: "tea", epoch: "e1", offset: 0, messages: [] };
  socket.send(JSON.stringify([room]));
  assertEquals([await stream.next(), (await stream.next())?.id], [{ retry: "1000" }, "e1:0"]);
  const send = (...offsets: readonly number[]) => {
    for (const offset of offsets) {
      socket.send(JSON.stringify([{ type: "message", offset, nonce: "n" }]));
    }
  };
  const offsets = async (count: number) => {
    const result: unknown[] = [];
    while (result.length < count) result.push((await stream.next())?.data?.offset);
    return result;
  };
  return { time, hub, socket, stream, send, offsets };
}

Deno.test("an event stream sends all events within 50 ms together [H13]", async () => {
  const { time, socket, stream, send, offsets } = await openGathered();
  send(1, 2, 3);
  assertEquals(await offsets(1), [1]);
  const pendingBytes = socket.buffered;
  assert(pendingBytes > 0);
  send(4);
  assertEquals(socket.buffered, pendingBytes * 1.5);
  time.advance(50);
  assertEquals(await offsets(3), [2, 3, 4]);
  assertEquals(socket.buffered, 0);
  await stream[Symbol.asyncDispose]();
  time.advance(0);
  assertEquals(time.timers, 0);
});

Deno.test("an event stream gives each entry the epoch in which it was stored [H13]", async () => {
  const [one, other] = [await openGathered(), await openGathered()];
  const frames = [{ offset: 1 }, { offset: 2, epoch: "e2" }, { offset: 3 }]
    .map((fields) => JSON.stringify([{ type: "message", nonce: "n", ...fields }]));
  for (const frame of frames) one.socket.send(frame);
  other.socket.send(frames[2] ?? "");
  for (const { time } of [one, other]) time.advance(50);
  const ids = async ({ stream }: typeof one, count: number) => {
    const found: unknown[] = [];
    while (found.length < count) found.push((await stream.next())?.id);
    return found;
  };
  assertEquals(await ids(one, 3), ["e1:1", "e2:2", "e2:3"]);
  // The same frame, for a stream in an earlier epoch.
  assertEquals(await ids(other, 1), ["e1:3"]);
});

Deno.test("an event stream leaves out the ids of entries whose epoch is not known [H14]", async () => {
  for (const epoch of [undefined, "e2"]) {
    const hub = new FakeHub();
    const headers = { "last-event-id": "e0:1" };
    const response = openDirectly(hub, unlimited(), new Gathering(), headers);
    const messages = [{ offset: 5 }, { offset: 6, epoch }].map((fields) => ({
      type: "message",
      nonce: "n",
      ...fields,
    }));
    const room = { type: "room", room: "tea", epoch: "e2", offset: 6, messages };
    hub.connected[0]?.socket.send(JSON.stringify([{ ...room, recovered: false, more: false }]));
    const stream = new StreamReader(response);
    const events: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const { event, id } = await stream.next() ?? {};
      events.push([event, id]);
    }
    assertEquals(events.slice(1), [
      ["gap", undefined],
      [undefined, epoch === undefined ? "e2:5" : undefined],
      [undefined, "e2:6"],
      ["room", "e2:6"],
    ]);
  }
});

Deno.test("a cut stream whose client never closes counts only against its network [H15] [L7]", () => {
  const hub = new FakeHub();
  const clock = { now: 0 };
  const limits = new ConnectionLimits(
    { maxConnections: 9, maxConnectionsPerIp: 9 },
    () => clock.now,
  );
  openDirectly(hub, limits, new Gathering());
  assertEquals(limits.count, 1);
  hub.connected[0]?.socket.close(closeCode.slowConsumer, "too slow");
  clock.now = 10_000;
  assertEquals(limits.count, 0);
});

Deno.test("draining sends pending events in order, and leaves no timer [H15] [C7]", async () => {
  const { time, socket, stream, send, offsets } = await openGathered();
  send(1, 2, 3, 4);
  socket.close(closeCode.restarting, "0");
  assertEquals(time.timers, 0);
  assertEquals(await offsets(4), [1, 2, 3, 4]);
  assertEquals(await stream.next(), { retry: "1000" });
  assertEquals(await stream.next(), undefined);
});

Deno.test("a stream that is cut leaves no timer, and gets no more events [H15] [C5]", async () => {
  const { time, socket, stream, send } = await openGathered();
  send(1, 2);
  socket.close(closeCode.slowConsumer, "too slow");
  send(3);
  assertEquals(time.timers, 0);
  const read = async () => {
    while (await stream.next() !== undefined);
  };
  await assertRejects(read, Error, "too slow");
});

Deno.test("an event stream sends live entries of all types with their positions [H13]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "old");
  await using stream = await open(site);
  const { headers } = stream.response;
  assertEquals(headers.get("content-type"), "text/event-stream");
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(await stream.next(), { id: "epoch1:1", event: "room", data: { room: "tea" } });
  const authorization = `Basic ${btoa(`ci:${"c".padEnd(43, "-")}`)}`;
  const write = async (method: string, path: string, body: string | null) => {
    const { status } = await request(site, path, { method, body, headers: { authorization } });
    assert(status < 300);
    return await stream.next();
  };
  const message = await write("POST", "/r/tea", "one\ntwo");
  assertEquals([message?.id, message?.event, message?.data?.text], [
    "epoch1:2",
    undefined,
    "one\ntwo",
  ]);
  assertEquals(message?.data?.epoch, "epoch1");
  const edit = await write("PATCH", "/r/tea/2", "three");
  assertEquals([edit?.id, edit?.event, edit?.data?.target], ["epoch1:3", "edit", 2]);
  const deletion = await write("DELETE", "/r/tea/2", null);
  assertEquals([deletion?.id, deletion?.event], ["epoch1:4", "delete"]);
});

Deno.test("an event stream resumes after Last-Event-ID, without gaps or repeats [H14]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", ...Array.from({ length: 300 }, (_, i) => "x".repeat(2_000) + i));
  for (
    const [headers, path] of [
      [{ "last-event-id": "epoch1:5" }, "/r/tea?after=epoch1:9"],
      [{}, "/r/tea?after=epoch1:5"],
    ] as const
  ) {
    await using stream = await open(site, headers, path);
    for (let offset = 6; offset <= 300; offset++) {
      const event = await stream.next();
      assertEquals([event?.id, event?.data?.offset], [`epoch1:${offset}`, offset]);
    }
    assertEquals((await stream.next())?.event, "room");
    await storeMessages(site, `elsewhere`, "not here");
  }
});

Deno.test("an event stream announces a gap and sends the newest messages [H14] [R6]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", ...Array.from({ length: 1_200 }, (_, i) => `${i + 1}`));
  await using behind = await open(site, { "last-event-id": "epoch1:1" });
  assertEquals(await behind.next(), { event: "gap", data: { room: "tea", missed: 1_099 } });
  assertEquals((await behind.next())?.id, "epoch1:1101");
  await using unknown = await open(site, { "last-event-id": "other:1" });
  assertEquals(await unknown.next(), { event: "gap", data: { room: "tea" } });
  assertEquals((await unknown.next())?.data?.offset, 1_101);
});

Deno.test("a position that is malformed gets 422 [H14]", async () => {
  await using site = await startRoomSite();
  const accept = { accept: "text/event-stream" };
  for (
    const position of [
      "x",
      "epoch1",
      "epoch1:",
      "epoch1:-1",
      "epoch1:1.5",
      ":1",
      "epoch1:1,epoch1:2",
    ]
  ) {
    const headers = { ...accept, "last-event-id": position };
    const { status, json } = await request(site, "/r/tea", { headers });
    assertEquals([status, json.code, json.field], [422, "field_invalid", "Last-Event-ID"]);
    const after = await request(site, `/r/tea?after=${position}`, { headers: accept });
    assertEquals([after.status, after.json.field], [422, "after"], position);
  }
  const path = "/r/tea?after=epoch1:0&after=epoch1:0";
  const { status, json } = await request(site, path, { headers: accept });
  assertEquals([status, json.detail], [422, "after must be given only once"]);
});

Deno.test("HEAD has the headers of an event stream, and leaves no session behind [H4]", async () => {
  await using site = await startRoomSite();
  const headers = { accept: "text/event-stream" };
  const head = await request(site, "/r/tea", { method: "HEAD", headers });
  assertEquals([head.status, head.headers.get("content-type")], [200, "text/event-stream"]);
  assertEquals(head.headers.get("content-length"), null);
  await until(() => site.hub.size.sessions === 0);
});

Deno.test("a stream reader is not a member, is not listed, and keeps no room in memory [H15]", async () => {
  await using site = await startRoomSite();
  {
    await using stream = await open(site);
    await stream.next();
    assertEquals(site.hub.membersOf("tea", 5), { count: 0, usernames: [] });
    const { sessions, members, rooms } = site.hub.size;
    assertEquals([sessions, members, rooms], [1, 0, 1]);
    assertEquals(site.server.limits.count, 1);
  }
  await until(() => site.server.limits.count === 0, "the stream is forgotten");
  await until(() => site.hub.size.rooms === 0, "the room is forgotten");
  assertEquals([site.hub.size.sessions, site.hub.size.graces], [0, 0]);
  assertEquals(site.broker.released, []);
});

Deno.test("streams count as connections, need the access code, and are refused while draining [H15]", async () => {
  const ports = { access: matcherOf("sesame") };
  await using site = await startRoomSite({ ports, web: { maxConnections: 1 } });
  const headers = { accept: "text/event-stream" };
  const denied = await request(site, "/r/tea", { headers });
  assertEquals([denied.status, denied.json.code], [401, "access_required"]);
  assertEquals((await request(site, "/r/tea", { method: "HEAD", headers })).status, 401);
  assertEquals(site.server.limits.count, 0);
  const code = { "parley-access-code": "sesame" };
  const allowed = { method: "HEAD", headers: { ...headers, ...code } };
  assertEquals((await request(site, "/r/tea", allowed)).status, 200);
  await until(() => site.server.limits.count + site.hub.size.sessions === 0, "HEAD holds nothing");
  {
    await using _stream = await open(site, code);
    const full = await request(site, "/r/tea", { headers: { ...headers, ...code } });
    assertEquals([full.status, full.json.code, full.headers.get("retry-after")], [
      503,
      "server_full",
      "5",
    ]);
  }
  await until(() => site.server.limits.count === 0, "the slot is free");
  await site.hub.drain();
  const draining = await request(site, "/r/tea", { headers: { ...headers, ...code } });
  assertEquals([draining.status, draining.json.code], [503, "draining"]);
  assertEquals(site.server.limits.count, 0);
});

Deno.test("draining ends a stream after the last entry, and staggers the reconnects [H15] [C7]", async () => {
  await using site = await startRoomSite();
  await using stream = await open(site);
  await stream.next();
  const authorization = `Basic ${btoa(`ci:${"c".padEnd(43, "-")}`)}`;
  const posted = request(site, "/r/tea", {
    method: "POST",
    body: "last words",
    headers: { authorization },
  });
  assertEquals((await posted).status, 201);
  await site.hub.drain();
  assertEquals((await stream.next())?.data?.text, "last words");
  assertMatch((await stream.next())?.retry ?? "", /^[12]\d{3}$/);
  assertEquals(await stream.next(), undefined);
});

Deno.test("draining ends the other streams even if a client has just left [H15] [C7]", async () => {
  await using site = await startRoomSite();
  const { body } = openDirectly(site.hub, site.server.limits, new Gathering());
  await using stream = await open(site);
  assertEquals((await stream.next())?.event, "room");
  // As Deno does when it finds that the client has gone.
  const prototype = ReadableStreamDefaultController.prototype;
  const { enqueue } = prototype;
  prototype.enqueue = function (chunk) {
    enqueue.call(this, chunk);
    prototype.enqueue = enqueue;
    void body?.cancel();
  };
  await site.hub.drain();
  assertMatch((await stream.next())?.retry ?? "", /^[12]\d{3}$/);
  assertEquals(await stream.next(), undefined);
});

Deno.test("a stream that cannot be read ends, so that the client resumes later [H15]", async () => {
  await using site = await startRoomSite();
  site.broker.isFailing = true;
  await using stream = await open(site, { "last-event-id": "epoch1:0" });
  assertEquals(await stream.next(), { retry: "1000" });
  assertEquals(await stream.next(), undefined);
  await until(() => site.hub.size.sessions === 0, "the session has ended");
});

Deno.test("a heartbeat keeps a stream open, and is not an event [H15] [C4]", async () => {
  let ms = 0;
  let due: (() => void)[] = [];
  const scheduler = {
    soon: (task: () => void) => void setImmediate(task),
    later: (_: number, task: () => void) => {
      due.push(task);
      return () => {};
    },
  };
  await using site = await startRoomSite({ ports: { clock: { now: () => ms }, scheduler } });
  await using stream = await open(site);
  await stream.next();
  for (let seconds = 0; seconds < 200; seconds++) {
    ms += 1_000;
    const tasks = due;
    due = [];
    for (const task of tasks) task();
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  assertEquals(site.hub.size.sessions, 1);
  // A comment: a line that begins with a colon.
  assertEquals(await stream.next(), { "": "" });
});

Deno.test("a stream replies to heartbeats if its reader takes anything, even while events keep coming [H15] [C4]", async () => {
  const hub = new FakeHub();
  const reader = openDirectly(hub, unlimited(), new Gathering()).body?.getReader();
  const replies = () => {
    hub.connected[0]?.socket.send("[]");
    return hub.frames.length;
  };
  assertEquals(replies(), 0);
  await reader?.read();
  assertEquals([replies(), replies()], [1, 1]);
  await reader?.read();
  assertEquals(replies(), 2);
  await reader?.cancel();
});

Deno.test("a stream whose reader stalls is cut at OUTBOX_MAX_BYTES, and its memory is freed [H15] [C5]", async () => {
  const settings = { outboxMaxBytes: 64 * 1024 };
  await using site = await startRoomSite({ settings });
  const reader = await Deno.connect({ hostname: "127.0.0.1", port: site.server.port });
  const head = "GET /r/tea HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
  await reader.write(new TextEncoder().encode(head));
  await until(() => site.hub.size.sessions === 1, "the stream is open");
  const text = "x".repeat(4_000);
  for (let i = 0; site.hub.size.sessions > 0; i++) {
    assert(i < 200, "the reader is cut");
    const drafts = Array.from({ length: 50 }, (_, j) => ({
      type: "message" as const,
      room: "tea",
      member: "ada",
      from: "Ada",
      text,
      nonce: `n${i}-${j}`,
    }));
    await site.broker.append(drafts);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  assert(site.events.includes("close"));
  // Its connection ends once it has read the bytes that the kernel has buffered.
  const buffer = new Uint8Array(65_536);
  while (await reader.read(buffer).catch(() => null) !== null);
  reader.close();
  await until(() => site.server.limits.count === 0, "the slot is free");
  await until(() => site.hub.size.rooms === 0, "the room is forgotten");
});
