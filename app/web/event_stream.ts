// Event streams: a room's entries as server-sent events (HTML Standard, section 9.2), live and
// resumable.

import type { Session, Socket } from "../chat/session.ts";
import { closeCode } from "../protocol/wire.ts";
import type { Position, Push, RoomPush } from "../protocol/wire.ts";
import type { ConnectionLimits } from "./connection_limits.ts";
import type { Gathering } from "./gathering.ts";
import type { Hub } from "./options.ts";
import type { Problem } from "./problem.ts";
import { closedProblem, refusalProblem } from "./refusal_problem.ts";
import {
  formatPosition,
  invalidField,
  parsePosition,
  positionRule,
  repeatedProblem,
} from "./room_pages.ts";
import type { Exchange } from "./router.ts";
import { unavailable } from "./websocket.ts";

/** How long a client waits before it reconnects. After a restart, a random time is added. */
const retryMs = 1_000;

const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would buffer events otherwise.
  "x-accel-buffering": "no",
};

/** Serves `GET /r/{room}` as an event stream, from `Last-Event-ID` or `after` on. */
export function eventStream(
  hub: Hub,
  limits: ConnectionLimits,
  gathering: Gathering,
  { request, url, client, accessCode, params: { room }, completed }: Exchange,
): Response | Problem {
  const repeated = repeatedProblem(url.searchParams);
  if (repeated !== undefined) return repeated;
  const header = request.headers.get("last-event-id") || null;
  const from = header ?? url.searchParams.get("after");
  const position = from === null ? undefined : parsePosition(from);
  if (from !== null && position === undefined) {
    return invalidField(header === null ? "after" : "Last-Event-ID", positionRule);
  }
  const limit = limits.reached(client);
  if (limit !== undefined) return unavailable(limit.code, limit.reason);
  const slot = limits.addRequest(client);
  const release = () => limits.release(slot);
  const stream = new EventStream(hub, gathering, position, () => limits.closing(slot));
  const session = hub.follow(stream, client, accessCode, room, position);
  if ("code" in session || stream.closedWith !== undefined) {
    release();
    return "code" in session ? refusalProblem(session) : closedProblem(stream.closedWith ?? 0);
  }
  stream.session = session;
  // A peer that doesn't read holds the connection after the stream has ended.
  completed.then(release, release);
  return new Response(stream.body, { headers });
}

/** The connection of a session that follows a room, as a stream of events. */
class EventStream implements Socket {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Set once the hub has accepted the connection. */
  session: Session | undefined;
  /** The code with which the hub closed it. */
  closedWith: number | undefined;
  readonly #hub: Hub;
  readonly #gathering: Gathering;
  readonly #onClosing: () => void;
  /** The position to resume from. Without one, only later entries are sent. */
  #position: Position | undefined;
  #isLive = false;
  #isOpen = true;
  #writtenBytes = 0;
  /** Bytes that the connection had taken at the last heartbeat. */
  #takenBytes = 0;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;

  constructor(
    hub: Hub,
    gathering: Gathering,
    position: Position | undefined,
    onClosing: () => void,
  ) {
    this.#hub = hub;
    this.#gathering = gathering;
    this.#position = position;
    this.#onClosing = onClosing;
    this.body = new ReadableStream(
      {
        start: (controller) => void (this.#controller = controller),
        // The client has gone.
        cancel: () => this.#end(closeCode.goingAway),
      },
      // All bytes count as buffered: the hub decides how many there may be.
      { highWaterMark: 0, size: ({ byteLength }) => byteLength },
    );
    this.write(encoder.encode(`retry: ${retryMs}\n\n`));
  }

  get buffered(): number {
    return this.#queuedBytes + this.#gathering.pendingBytes(this);
  }

  get #queuedBytes(): number {
    return -(this.#controller?.desiredSize ?? 0);
  }

  send(frame: string): void {
    if (!this.#isOpen) return;
    if (frame === "[]") this.#heartbeat();
    else if (this.#isLive && this.#position !== undefined) {
      const { bytes, epoch } = liveEvents(frame, this.#position.epoch);
      if (epoch !== this.#position.epoch) this.#position = { ...this.#position, epoch };
      if (bytes.length > 0) this.#gathering.write(this, bytes);
    } else {
      // The cast is safe: the hub encoded the frame.
      for (const push of JSON.parse(frame) as Push[]) this.#catchUp(push);
    }
  }

  write(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#isOpen) return;
    this.#writtenBytes += bytes.length;
    this.#controller?.enqueue(bytes);
  }

  close(code: number, reason: string): void {
    this.closedWith = code;
    if (!this.#isOpen) return;
    this.#onClosing();
    if (code === closeCode.restarting) {
      this.#finish(retryMs + Math.round(Math.random() * Number(reason)), code);
    } else {
      // Discards the queue of a peer that doesn't read.
      this.#controller?.error(new Error(reason));
      this.#end(code);
    }
  }

  /** Ends the stream once its queue is sent. The client reconnects after `delayMs`. */
  #finish(delayMs: number, code: number): void {
    this.#gathering.flush(this);
    this.write(encoder.encode(`retry: ${delayMs}\n\n`));
    // If the client has gone, Deno cancels the stream while an event is added.
    if (this.#isOpen) this.#controller?.close();
    this.#end(code);
  }

  /** Replies to the hub's heartbeat on behalf of a client that reads. */
  #heartbeat(): void {
    const queuedBytes = this.#queuedBytes;
    const takenBytes = this.#writtenBytes - queuedBytes;
    // While events keep coming, the queue may never be empty.
    const isReading = queuedBytes === 0 || takenBytes > this.#takenBytes;
    this.#takenBytes = takenBytes;
    this.write(heartbeat);
    if (isReading && this.session !== undefined) this.#hub.receive(this.session, pong);
  }

  /** Handles a push until the session is live in the room. */
  #catchUp(push: Push): void {
    if (push.type === "error") {
      // The room cannot be read now. The client reconnects and resumes.
      return this.#finish(push.retryAfter ?? retryMs, closeCode.goingAway);
    }
    if (push.type !== "room") return;
    const { room, epoch, offset, title, more, recovered, missed } = push;
    if (this.#position !== undefined) {
      let text = recovered ? "" : eventOf("gap", { room, missed });
      text += eventsOf(push.messages, recovered ? this.#position.epoch : epochOfFirst(push)).text;
      if (text !== "") this.write(encoder.encode(text));
    }
    this.#position = { epoch, offset };
    if (more) {
      const join = JSON.stringify({ type: "join", room, epoch, offset });
      // Not while the hub is sending.
      queueMicrotask(() => this.session && this.#hub.receive(this.session, join));
      return;
    }
    this.#isLive = true;
    this.write(
      encoder.encode(eventOf("room", { room, title }, formatPosition({ epoch, offset }))),
    );
  }

  /** Tells the hub that the connection is gone. */
  #end(code: number): void {
    this.#isOpen = false;
    this.#gathering.forget(this);
    const { session } = this;
    if (session !== undefined) queueMicrotask(() => this.#hub.disconnect(session, code));
  }
}

const encoder = new TextEncoder();
const heartbeat = encoder.encode(":\n\n");
const pong = '{"type":"pong"}';

/** The last frame. The hub sends the same one to all streams of a room. */
let last = { frame: "", epoch: "", bytes: new Uint8Array(), after: "" };

/** Returns the events of a live frame as bytes, encoded once for all streams. */
function liveEvents(frame: string, epoch: string) {
  if (last.frame !== frame || last.epoch !== epoch) {
    // The cast is safe: the hub encoded the frame.
    const { text, epoch: after = epoch } = eventsOf(JSON.parse(frame) as Push[], epoch);
    last = { frame, epoch, bytes: encoder.encode(text), after };
  }
  return { bytes: last.bytes, epoch: last.after };
}

/**
 * Returns the entries among pushes as events, and the epoch after them. The ids of events are
 * positions, if the epoch is known.
 */
function eventsOf(pushes: readonly Push[], epochBefore: string | undefined) {
  let epoch = epochBefore;
  let text = "";
  for (const push of pushes) {
    if (!("offset" in push) || !("nonce" in push) || push.type === "ack") continue;
    epoch = push.epoch ?? epoch;
    const id = epoch === undefined ? undefined : formatPosition({ epoch, offset: push.offset });
    text += eventOf(push.type, { ...push, epoch }, id);
  }
  return { text, epoch };
}

/** Returns the epoch of a push's first entry, if it is known. */
function epochOfFirst({ messages, epoch }: RoomPush): string | undefined {
  return messages.some((entry) => entry.epoch !== undefined) ? undefined : epoch;
}

/** Returns an event. Messages have the default type, so that `onmessage` gets them. */
function eventOf(type: string, data: object, id?: string): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(type === "message" ? [] : [`event: ${type}`]),
    // JSON has no line breaks.
    `data: ${JSON.stringify(data)}`,
  ];
  return `${lines.join("\n")}\n\n`;
}
