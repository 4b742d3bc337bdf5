// Writing and moderating over HTTP: each request is a short session of the hub with one command.

import { isModeratorCommand } from "../chat/moderation.ts";
import type { Socket } from "../chat/session.ts";
import { decodeFields } from "../protocol/decode.ts";
import type { DecodedFields, Fields } from "../protocol/decode.ts";
import { isTooComplex, parseJson } from "../protocol/parse_json.ts";
import { closeCode } from "../protocol/wire.ts";
import type { Command, ErrorPush, MessagePush, Push } from "../protocol/wire.ts";
import type { Entry, MessageEntry } from "../chat/broker.ts";
import type { ConnectionLimits } from "./connection_limits.ts";
import { credentialsOf } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import type { Hub, WebOptions } from "./options.ts";
import type { Problem } from "./problem.ts";
import { challenge, closedProblem, refusalProblem } from "./refusal_problem.ts";
import { isJson, readText } from "./request_body.ts";
import { noContent, textResponse } from "./responses.ts";
import type { Exchange } from "./router.ts";
import { unavailable } from "./websocket.ts";

/** Max depth of arrays and objects in a body. Programs may send fields of their own. */
const bodyNestingMax = 32;

/** The parts of the server that the routes of rooms use. */
export type RoomContext =
  & Pick<WebOptions, "hub" | "assets" | "allowedOrigins" | "trustProxy">
  & { readonly limits: ConnectionLimits };

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
  detail: 'The body must be a JSON object with "text" and at most 1,000 values',
  field: "body",
};
const notACommand: Problem = {
  ...notAnObject,
  detail: 'The body must be JSON with a "type": sanctions, mute, ban, lift, sweep, neighbors ' +
    "or moderate",
};

const keyReused: Problem = {
  status: 422,
  code: "nonce_reused",
  detail: "This Idempotency-Key belongs to another request. Use a new one for each message",
  field: "Idempotency-Key",
};

/** Handles `POST /r/{room}`: sends a message. */
export async function postMessage(
  web: RoomContext,
  exchange: Exchange,
): Promise<Response | Problem> {
  const { room } = exchange.params;
  const sent = await send(web, exchange, "message", (body) => ({ room, ...body }));
  if ("status" in sent) return sent;
  const location = `${web.assets.basePath}/r/${room}/${sent.offset}`;
  const init = { status: 201, headers: { location } };
  return textResponse(JSON.stringify(sent.entry ?? {}), "application/json", init);
}

/** Handles `PATCH /r/{room}/{offset}`: replaces the text of a message. */
export async function patchMessage(
  web: RoomContext,
  exchange: Exchange,
): Promise<Response | Problem> {
  const { room, offset: digits } = exchange.params;
  const offset = Number(digits);
  const sent = await send(web, exchange, "edit", ({ text }) => ({ room, offset, text }));
  if ("status" in sent) return sent;
  const entry = await readEntry(web.hub, room, offset);
  return textResponse(JSON.stringify(entry ?? {}), "application/json");
}

/** Handles `DELETE /r/{room}/{offset}`: removes the text of a message. */
export async function deleteMessage(
  web: RoomContext,
  exchange: Exchange,
): Promise<Response | Problem> {
  const { room, offset: digits } = exchange.params;
  const offset = Number(digits);
  const sent = await send(web, exchange, "delete", () => ({ room, offset }));
  return "status" in sent ? sent : noContent();
}

/** Handles `POST /moderate`: runs a moderator's command, given as JSON. */
export async function postModeration(
  web: RoomContext,
  exchange: Exchange,
): Promise<Response | Problem> {
  const decode = async (): Promise<DecodedFields | Problem> => {
    const body = await readText(exchange.request);
    if (typeof body !== "string") return body;
    const fields = objectIn(body);
    const { type } = fields ?? {};
    if (fields === undefined || typeof type !== "string") return notACommand;
    const decoded = decodeFields(type, fields);
    if (!decoded.ok) return decoded.push.code === "unknown_type" ? notACommand : decoded;
    const { command } = decoded;
    return command.type === "moderate" || isModeratorCommand(command) ? decoded : notACommand;
  };
  return await run(
    web,
    exchange,
    decode,
    ({ type, ...fields }) =>
      type === "moderator" ? noContent() : textResponse(JSON.stringify(fields), "application/json"),
  );
}

/** An entry in the log. `entry` is absent if it cannot be read now, or is no longer stored. */
interface Sent {
  readonly offset: number;
  readonly entry: Entry | undefined;
}

/** Sends a command, and returns the entry in the log that has its nonce. */
function send(
  web: RoomContext,
  exchange: Exchange,
  type: "message" | "edit" | "delete",
  fieldsOf: (body: Fields) => Fields,
): Promise<Sent | Problem> {
  const { request } = exchange;
  const decode = async () => {
    const body = type === "delete" ? {} : await readFields(request);
    if (isProblem(body)) return body;
    const problem = preconditionProblem(request.headers);
    if (problem !== undefined) return problem;
    // Drafts of the standard put the key in quotes.
    const key = request.headers.get("idempotency-key")?.replace(/^"(.*)"$/, "$1");
    return decodeFields(type, { ...fieldsOf(body), nonce: key ?? crypto.randomUUID() });
  };
  return run(web, exchange, decode, async (reply, command) => {
    if (reply.type === "message") return { offset: reply.offset, entry: reply };
    if (reply.type !== "ack") throw new Error(`Cannot take ${reply.type} as the reply to an entry`);
    const { room, offset } = reply;
    const entry = await readEntry(web.hub, room, offset);
    const isResult = entry === undefined || isResultOf(entry, command);
    return isResult ? { offset, entry } : keyReused;
  });
}

/** Runs the decoded command with the request's credentials. Returns the result of `onReply`. */
async function run<T>(
  { hub, limits }: RoomContext,
  { request, client, accessCode }: Exchange,
  decode: () => Promise<DecodedFields | Problem>,
  onReply: (reply: Reply, command: Command) => T | Promise<T>,
): Promise<T | Problem> {
  const credentials = credentialsOf(request.headers);
  if (credentials === undefined) return credentialsRequired;
  const decoded = await decode();
  if ("status" in decoded) return decoded;
  const hello = decodeFields("hello", { ...credentials, access: accessCode, rooms: [] });
  if (!hello.ok) return refusalProblem(hello.push);
  if (!decoded.ok) return refusalProblem(decoded.push);
  const { command } = decoded;
  const limit = limits.reached(client);
  if (limit !== undefined) return unavailable(limit.code, limit.reason);
  const slot = limits.addRequest(client);
  const socket = new ReplySocket();
  const session = hub.post(socket, client, hello.command, command);
  try {
    const reply = await socket.reply;
    if (reply.type === "closed" || reply.type === "error") return problemOf(reply, credentials);
    return await onReply(reply, command);
  } finally {
    // Disconnects as if the connection were lost, so that the member stays for its next request.
    hub.disconnect(session, closeCode.goingAway);
    limits.release(slot);
  }
}

/**
 * Returns a problem if a write is conditional. No condition holds: the room exists, and its entries
 * have weak tags, which If-Match doesn't compare (RFC 9110, section 13.1.1).
 */
function preconditionProblem(headers: Headers): Problem | undefined {
  const hasTags = (headers.get("if-match") ?? "*") !== "*";
  if (!hasTags && !headers.has("if-none-match")) return undefined;
  const field = hasTags ? "If-Match" : "If-None-Match";
  const detail = `Writes cannot be conditional. Leave out ${field}, and use Idempotency-Key to ` +
    "repeat a request safely";
  return { status: 412, code: "precondition_failed", detail, field };
}

/** Returns whether an entry, which may have been amended since, can be the result of a command. */
function isResultOf(entry: Entry, command: Command): boolean {
  switch (command.type) {
    case "message": {
      if (entry.type !== "message") return false;
      const { amended, text, reply } = entry;
      return amended !== undefined || text === command.text && reply === command.reply;
    }
    case "edit":
      return entry.type === "edit" && entry.target === command.offset &&
        (entry.text === undefined || entry.text === command.text);
    case "delete":
      return entry.type === "delete" && entry.targets.includes(command.offset);
    default:
      return false;
  }
}

/** Returns the fields of a JSON body, or any other body as `text`. */
async function readFields(request: Request): Promise<Fields | Problem> {
  const body = await readText(request);
  if (typeof body !== "string") return body;
  if (!isJson(request.headers)) return { text: body };
  const fields = objectIn(body);
  return fields === undefined ? notAnObject : { text: fields.text, reply: fields.reply };
}

/** Returns the fields of a JSON object, or `undefined` if `json` isn't one. */
function objectIn(json: string): Fields | undefined {
  if (isTooComplex(json, bodyNestingMax)) return undefined;
  try {
    const value = parseJson(json);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return { ...value };
  } catch {
    return undefined;
  }
}

function isProblem(value: Fields | Problem): value is Problem {
  return "status" in value;
}

function problemOf(reply: ErrorPush | Closed, { username }: Credentials): Problem {
  if (reply.type === "closed") return closedProblem(reply.code);
  if (reply.code === "username_empty" && username === undefined) return nameRequired;
  return refusalProblem(reply);
}

/** Returns an entry; undefined if storage is unavailable now. It is stored either way. */
function readEntry(hub: Hub, room: string, offset: number): Promise<Entry | undefined> {
  return hub.visitors.entry(room, offset).catch(() => undefined);
}

/** How the hub closed a connection. */
interface Closed {
  readonly type: "closed";
  readonly code: number;
}

/** The hub's reply to a command that it has carried out. */
type Reply = MessageEntry | Exclude<Push, MessagePush | ErrorPush>;

/** The connection of a session that waits for one reply. */
class ReplySocket implements Socket {
  readonly buffered = 0;
  readonly #reply = Promise.withResolvers<Reply | ErrorPush | Closed>();
  readonly reply = this.#reply.promise;

  send(frame: string): void {
    // Anything but a heartbeat. The cast is safe: the hub encoded the frame.
    const [reply] = JSON.parse(frame) as [Reply?];
    if (reply !== undefined) this.#reply.resolve(reply);
  }

  close(code: number): void {
    this.#reply.resolve({ type: "closed", code });
  }
}
