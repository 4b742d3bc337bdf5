// Writing over HTTP: each request is a short session of the hub that sends one command.

import type { Socket } from "../chat/session.ts";
import { closeCode } from "../protocol/wire.ts";
import type { AckPush, ErrorPush, Push, WelcomePush } from "../protocol/wire.ts";
import type { Entry } from "../chat/broker.ts";
import { credentialsOf } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import type { Problem } from "./problem.ts";
import { challenge, closedProblem, refusalProblem } from "./refusal_problem.ts";
import { isJson, readText } from "./request_body.ts";
import { noContent, textResponse } from "./responses.ts";
import type { Exchange } from "./router.ts";
import { unavailable } from "./websocket.ts";
import type { Hub, WebSockets } from "./websocket.ts";

const credentialsRequired: Problem = {
  status: 401,
  code: "credentials_required",
  detail: "Writing needs Authorization: Basic name:token, or Bearer with the token of a name. " +
    "A token is 32 random bytes in base64url",
  field: "Authorization",
  headers: challenge,
};
const nameRequired: Problem = {
  status: 401,
  code: "username_empty",
  detail: "This token holds no name. Send Authorization: Basic name:token",
  field: "Authorization",
  headers: challenge,
};
const notAnObject: Problem = {
  status: 422,
  code: "field_invalid",
  detail: 'The body must be a JSON object with "text"',
  field: "body",
};

/** A command before its nonce is added. The hub checks its fields. */
type Fields = Readonly<Record<string, unknown>>;

/** The hub that receives the commands, and the limits that their connections count towards. */
export interface PostingOptions {
  readonly hub: Hub;
  readonly sockets: Pick<WebSockets, "limits">;
  /** Path of the chat as browsers see it, without a trailing slash. */
  readonly basePath: string;
}

/** `POST /r/{room}`: sends a message. */
export async function postMessage(
  options: PostingOptions,
  exchange: Exchange,
): Promise<Response | Problem> {
  const { room } = exchange.params;
  const sent = await send(options, exchange, (body) => ({ type: "message", room, ...body }));
  if ("code" in sent) return sent;
  const location = `${options.basePath}/r/${room}/${sent.offset}`;
  return entryResponse(await readEntry(options, room, sent.offset), 201, { location });
}

/** `PATCH /r/{room}/{offset}`: replaces the text of a message. */
export async function patchMessage(
  options: PostingOptions,
  exchange: Exchange,
): Promise<Response | Problem> {
  const { room, offset: digits } = exchange.params;
  const offset = Number(digits);
  const sent = await send(options, exchange, ({ text }) => ({ type: "edit", room, offset, text }));
  if ("code" in sent) return sent;
  return entryResponse(await readEntry(options, room, offset), 200);
}

/** `DELETE /r/{room}/{offset}`: removes the text of a message. */
export async function deleteMessage(
  options: PostingOptions,
  exchange: Exchange,
): Promise<Response | Problem> {
  const { room, offset } = exchange.params;
  const sent = await send(options, exchange, () => ({
    type: "delete",
    room,
    offset: Number(offset),
  }));
  return "code" in sent ? sent : noContent();
}

/** Sends a command and returns its ack. */
async function send(
  { hub, sockets }: PostingOptions,
  { request, client }: Exchange,
  commandOf: (body: Fields) => Fields,
): Promise<AckPush | Problem> {
  const { headers } = request;
  const credentials = credentialsOf(headers);
  if (credentials === undefined) return credentialsRequired;
  const body = request.method === "DELETE" ? {} : await readFields(request);
  if (isProblem(body)) return body;
  const limit = sockets.limits.reached(client);
  if (limit !== undefined) return unavailable(limit.code, limit.reason);
  // Drafts of the standard put the key in quotes.
  const key = headers.get("idempotency-key")?.replace(/^"(.*)"$/, "$1");
  const command = { ...commandOf(body), nonce: key ?? crypto.randomUUID() };
  const slot = sockets.limits.add(client);
  sockets.limits.opened(slot);
  const socket = new ReplySocket();
  const session = hub.connect(socket, client, true);
  try {
    const access = headers.get("parley-access-code") ?? undefined;
    hub.receive(session, JSON.stringify({ type: "hello", ...credentials, access, rooms: [] }));
    const welcome = await socket.next();
    if (welcome.type !== "welcome") return problemOf(welcome, credentials);
    hub.receive(session, JSON.stringify(command));
    const reply = await socket.next();
    return reply.type === "ack" ? reply : problemOf(reply, credentials);
  } finally {
    // Disconnects as if the connection were lost, so that the member stays for its next request.
    hub.disconnect(session, closeCode.goingAway);
    sockets.limits.release(slot);
  }
}

/** Returns the fields of a JSON body, or any other body as `text`. */
async function readFields(request: Request): Promise<Fields | Problem> {
  const body = await readText(request);
  if (typeof body !== "string") return body;
  if (!isJson(request.headers)) return { text: body };
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return notAnObject;
    const { text, reply }: Fields = { ...value };
    return { text, reply };
  } catch {
    return notAnObject;
  }
}

function isProblem(value: Fields | Problem): value is Problem {
  return "status" in value;
}

function problemOf(reply: Reply, { username }: Credentials): Problem {
  if (reply.type === "closed") return closedProblem(reply.code);
  if (reply.type !== "error") return closedProblem(closeCode.internal);
  if (reply.code === "username_empty" && username === undefined) return nameRequired;
  return refusalProblem(reply);
}

/** Returns the entry, unless storage is unavailable now. The entry is stored either way. */
async function readEntry(
  { hub }: PostingOptions,
  room: string,
  offset: number,
): Promise<Entry | undefined> {
  try {
    return await hub.visitors.entry(room, offset);
  } catch {
    return undefined;
  }
}

function entryResponse(
  entry: Entry | undefined,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return textResponse(JSON.stringify(entry ?? {}), "application/json", { status, headers });
}

/** The hub's reply to a post. */
type Reply = WelcomePush | AckPush | ErrorPush | { readonly type: "closed"; readonly code: number };

/** The connection of a session that waits for the reply to each of its commands. */
class ReplySocket implements Socket {
  readonly buffered = 0;
  readonly #replies: Reply[] = [];
  #onReply: (() => void) | undefined;

  send(frame: string): void {
    // The cast is safe: the hub encoded the frame.
    for (const push of JSON.parse(frame) as Push[]) {
      if (push.type === "welcome" || push.type === "ack" || push.type === "error") this.#add(push);
    }
  }

  close(code: number): void {
    this.#add({ type: "closed", code });
  }

  /** Returns the next reply. */
  async next(): Promise<Reply> {
    while (true) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      await new Promise<void>((resolve) => this.#onReply = resolve);
    }
  }

  #add(reply: Reply): void {
    this.#replies.push(reply);
    this.#onReply?.();
  }
}
