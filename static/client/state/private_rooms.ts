// The private rooms of this browser: stores their keys and labels, seals outgoing texts, and opens
// incoming ones. docs/private-rooms.md has the rules. Pure.

import { privateBytesLeft } from "../../../app/protocol/sealed.ts";
import { isPrivateRoom } from "../../../app/protocol/text.ts";
import type { EditPush, EntryPush, ErrorCode, Push } from "../../../app/protocol/wire.ts";
import type { ChatClient, PrivateTexts, SentCommand } from "./chat_client.ts";
import { isSnapshot } from "./message.ts";
import type { Message, Snapshot } from "./message.ts";
import { roomLabels } from "./open_rooms.ts";
import type { Problem } from "./problem.ts";
import type { Room } from "./room.ts";
import { memberOf } from "./member_id.ts";
import { deriveRoom, open, seal } from "./sealing.ts";
import type { RoomKey, SealedContent } from "./sealing.ts";
import { readFields, snapshotPrefix } from "./storage.ts";
import type { KeyValue } from "./storage.ts";
import { loadStoredRooms, storeRoom } from "./stored_rooms.ts";
import type { StoredRoom } from "./stored_rooms.ts";

/** The facts about a message that later entries are checked against (S8). */
interface Known {
  readonly member: string;
  readonly nonce: string;
  /** The lowest offset seen; `Infinity` until an own message is in the log. */
  readonly offset: number;
  /** The highest revision seen. */
  readonly revision: number;
  /** Nonce of the message that it replies to, or empty. */
  readonly answered: string;
}

/** A change to a loaded message that is applied after the entries were delivered. */
interface Change {
  readonly room: string;
  readonly offset: number;
  readonly fields: Partial<Message>;
  /** Offset of the entry that must have amended the message last; any if absent. */
  readonly amended?: number;
  /** The message expected at the offset; any if absent. */
  readonly of?: Known;
}

/** The fields of a message in the log that opening it needs, and those that it adds. */
type Sealed = Pick<Message, "member" | "nonce" | "offset" | "editedAt" | "reply" | "text">;
type Opened = Pick<Message, "sealed" | "answered" | "isUnverified"> & { readonly text?: string };

/** Max messages remembered per room. */
const knownMax = 10_000;

export class PrivateRooms implements PrivateTexts {
  readonly #chat: ChatClient;
  readonly #storage: KeyValue;
  /** The id of this member, computed from its token: the server could name another (S6). */
  readonly #member: string;
  readonly #defaultLabel: string;
  /** The label of a room whose link has no key. */
  readonly #incompleteLabel: string;
  readonly #keys = new Map<string, RoomKey>();
  /** The known messages of each room, by author and nonce, and by offset. */
  readonly #known = new Map<string, Map<string | number, Known>>();
  readonly #snapshots = new Map<string, Snapshot>();
  /** The rooms in which a message is loading, each with a callback for the end of the request. */
  readonly #loading = new Map<Room, () => void>();
  /** Opens frames one after another. */
  #queue = Promise.resolve();
  #queueLength = 0;
  /** Counts connections, so that nothing from a lost one is delivered or sent later. */
  #connection = 0;

  private constructor(
    chat: ChatClient,
    storage: KeyValue,
    member: string,
    defaultLabel: string,
    incompleteLabel: string,
  ) {
    this.#chat = chat;
    this.#storage = storage;
    this.#member = member;
    this.#defaultLabel = defaultLabel;
    this.#incompleteLabel = incompleteLabel;
  }

  /** Loads the stored rooms, and lets `chat` open private rooms. */
  static async load(
    chat: ChatClient,
    storage: KeyValue,
    token: string,
    defaultLabel: string,
    incompleteLabel: string,
  ): Promise<PrivateRooms> {
    // Without cryptography, on plain http, no room has a key.
    const member = await memberOf(token).catch(() => "");
    const rooms = new PrivateRooms(chat, storage, member, defaultLabel, incompleteLabel);
    for (const name of await rooms.refresh()) await rooms.#openSnapshot(name);
    chat.privateRooms = rooms;
    // The rooms of unsent messages could not be opened without their keys.
    for (const name of chat.outbox.rooms) if (rooms.hasKey(name)) chat.openRoom(name);
    return rooms;
  }

  get stored(): ReadonlyMap<string, StoredRoom> {
    return loadStoredRooms(this.#storage);
  }

  /** Takes over the keys and labels that are stored. Returns the rooms whose key is new here. */
  async refresh(): Promise<string[]> {
    const added: string[] = [];
    for (const [name, { secret, label }] of this.stored) {
      const isNew = !this.hasKey(name);
      if (isNew && await this.#addKey(secret, name) === undefined) continue;
      roomLabels.set(name, label);
      if (isNew) added.push(name);
    }
    return added;
  }

  hasKey(room: string): boolean {
    return this.#keys.has(room);
  }

  /** Stores a key. Returns its room; `undefined` if it is not a key, or not the key of `room`. */
  async add(secret: string, room?: string): Promise<string | undefined> {
    const name = await this.#addKey(secret, room);
    const { stored } = this;
    // A device link can have stored a wrong key.
    if (name !== undefined && stored.get(name)?.secret !== secret) {
      const taken = [...stored.values()].map(({ label }) => label);
      let label = this.#defaultLabel;
      for (let i = 2; taken.includes(label); i++) label = `${this.#defaultLabel} ${i}`;
      this.#store(name, { secret, label: stored.get(name)?.label ?? label });
    }
    return name;
  }

  /** Changes the label of a room. */
  rename(name: string, label: string): void {
    const room = this.stored.get(name);
    if (room !== undefined) this.#store(name, { ...room, label });
  }

  /** Restores a room from its snapshot, if nothing is loaded yet. */
  prepare(room: Room): void {
    const { name } = room;
    // A room without a key needs a label, too.
    if (isPrivateRoom(name) && !this.hasKey(name)) roomLabels.set(name, this.#incompleteLabel);
    const snapshot = this.#snapshots.get(name);
    if (snapshot !== undefined) room.restore(snapshot);
  }

  receive(pushes: readonly Push[]): void {
    const isPrivate = (push: Push) => "room" in push && isPrivateRoom(String(push.room));
    if (this.#queueLength === 0 && !pushes.some(isPrivate)) return this.#chat.deliver(pushes);
    const connection = this.#connection;
    this.#queueLength++;
    const open = async () => {
      const changes: Change[] = [];
      const opened: Push[] = [];
      for (const push of pushes) {
        opened.push(isPrivate(push) ? await this.#openPush(push, changes) : push);
      }
      if (connection !== this.#connection) return;
      this.#chat.deliver(opened);
      for (const change of changes) this.#apply(change);
      for (const [room, onLoaded] of this.#loading) if (!room.isLoadingOlder) onLoaded();
      // Edits had no text when they were delivered.
      if (changes.length > 0) this.#chat.recountMentions();
    };
    this.#queue = this.#queue.then(open)
      .catch(() => this.#chat.connection.abort("invalid push"))
      .finally(() => this.#queueLength--);
  }

  /** Drops commands to a private room without a key. */
  send(command: SentCommand, pass: (command: SentCommand) => void): void {
    const { type, room = "", rooms, text, nonce = "" } = command;
    const isUsable = (room: string) => !isPrivateRoom(room) || this.#keys.has(room);
    if (rooms !== undefined) {
      return pass({ ...command, rooms: rooms.filter(({ room }) => isUsable(room)) });
    }
    if (!isUsable(room)) return;
    const key = this.#keys.get(room);
    if (key === undefined || text === undefined) return pass(command);
    const connection = this.#connection;
    void this.#seal(key, type, nonce, text).then((sealed) => {
      if (connection !== this.#connection) return;
      if (typeof sealed === "string") return pass({ ...command, text: sealed });
      // The client doesn't know the page's own codes, and so treats them as final.
      const code = sealed.code as ErrorCode;
      this.#chat.deliver([{ ...sealed, type: "error", re: type, room, nonce, code }]);
    });
  }

  reset(): void {
    this.#connection++;
  }

  /** Seals the text of an entry in the outbox. Returns a problem if it can't. */
  async #seal(key: RoomKey, type: string, nonce: string, text: string): Promise<string | Problem> {
    const { room } = key;
    const item = this.#chat.outbox.messagesIn(room).find((item) => item.nonce === nonce);
    const member = this.#member;
    const isEdit = type === "edit";
    const target = isEdit ? item?.target ?? "" : nonce;
    const getKnown = () => this.#known.get(room)?.get(`${member} ${target}`);
    // After a reload, the message may not be loaded. The first page may be that of another request.
    for (let i = 0; isEdit && getKnown() === undefined && i < 2; i++) {
      await this.#load(room, item?.offset ?? 0);
    }
    const known = getKnown();
    if (isEdit && known === undefined) return { code: "edit_not_loaded", message: "" };
    if (privateBytesLeft(text) < 0) return { code: "private_too_long", message: "" };
    const answered = (isEdit ? known?.answered : item?.answered) ?? "";
    const revision = isEdit ? (known?.revision ?? 0) + 1 : 0;
    if (known === undefined) {
      this.#remember(room, { member, nonce, offset: Infinity, revision, answered });
    }
    return await seal(key, { room, member, nonce: target }, { revision, answered, text });
  }

  /** Requests a message unless others are loading, and waits until the request has ended. */
  async #load(name: string, offset: number): Promise<void> {
    const room = this.#chat.rooms.get(name);
    if (room === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#loading.set(room, resolve);
    this.#chat.loadHistory(room, offset + 1, () => {});
    await promise;
    this.#loading.delete(room);
  }

  async #openPush(push: Push, changes: Change[]): Promise<Push> {
    switch (push.type) {
      case "room":
      case "history": {
        const messages: EntryPush[] = [];
        for (const entry of push.messages) {
          messages.push(await this.#openEntry(push.room, entry, changes));
        }
        // Private rooms have no title, whatever the server says.
        return { ...push, messages, ...(push.type === "room" && { title: "" }) };
      }
      case "message":
      case "edit":
      case "delete":
      case "title":
        return await this.#openEntry(push.room, push, changes);
      default:
        return push;
    }
  }

  async #openEntry(room: string, entry: EntryPush, changes: Change[]): Promise<EntryPush> {
    // To the views, a message with a state is one that this person is sending.
    if ("state" in entry) throw new TypeError("Invalid entry");
    switch (entry.type) {
      case "message": {
        const { text: _, ...rest } = entry;
        return { ...rest, ...await this.#openMessage(room, entry, changes) };
      }
      case "edit":
        return await this.#openEdit(room, entry, changes);
      case "title":
        return { ...entry, text: "" };
      case "delete":
        for (const offset of entry.targets) {
          changes.push({ room, offset, amended: entry.offset, fields: deleted });
        }
        return entry;
      default:
        return entry;
    }
  }

  /** Opens the text of a message, which may be that of its last edit. */
  async #openMessage(room: string, message: Sealed, changes: Change[]): Promise<Opened> {
    const { member, nonce, offset, text: sealed, editedAt, reply } = message;
    const known = this.#known.get(room)?.get(`${member} ${nonce}`);
    const content = await this.#open(room, member, nonce, sealed);
    const { answered = "" } = content ?? {};
    const revision = Math.max(known?.revision ?? 0, content?.revision ?? 0);
    const isRepeated = known !== undefined && known.offset < offset;
    if (!isRepeated) {
      this.#remember(room, { member, nonce, offset, revision, answered });
      if (known !== undefined && known.offset > offset) {
        changes.push({ room, offset: known.offset, fields: unverified });
      }
    }
    if (sealed === undefined) return {};
    const isValid = content !== undefined && !isRepeated && content.revision === revision &&
      (revision === 0) === (editedAt === undefined) && (answered === "") === (reply === undefined);
    return isValid ? { text: content.text, sealed, answered } : { sealed, isUnverified: true };
  }

  /** Checks an edit, and adds the change of its message. The returned edit has no text. */
  async #openEdit(room: string, edit: EditPush, changes: Change[]): Promise<EditPush> {
    const { offset: amended, target: offset, text: sealed, ...rest } = edit;
    const known = this.#known.get(room)?.get(offset);
    // Without its message, an edit changes nothing.
    if (sealed === undefined || known === undefined) {
      return { ...rest, offset: amended, target: offset };
    }
    const { member, nonce } = known;
    const content = await this.#open(room, member, nonce, sealed);
    const isValid = content !== undefined && content.revision >= Math.max(1, known.revision) &&
      (content.answered === "") === (known.answered === "");
    if (isValid) this.#remember(room, { ...known, revision: content.revision });
    const fields = isValid
      ? { text: content.text, answered: content.answered, isUnverified: undefined }
      : unverified;
    changes.push({ room, offset, amended, of: known, fields: { ...fields, sealed } });
    return { ...edit, text: "" };
  }

  async #open(
    room: string,
    member: string,
    nonce: string,
    sealed: string | undefined,
  ): Promise<SealedContent | undefined> {
    const key = this.#keys.get(room);
    if (key === undefined || sealed === undefined) return undefined;
    return await open(key, { room, member, nonce }, String(sealed));
  }

  #remember(room: string, known: Known): void {
    const all = this.#known.get(room) ?? new Map<string | number, Known>();
    this.#known.set(room, all);
    all.set(`${known.member} ${known.nonce}`, known);
    all.set(known.offset, known);
    for (const key of all.keys()) {
      if (all.size <= 2 * knownMax) break;
      all.delete(key);
    }
  }

  #apply({ room: name, offset, amended, of, fields }: Change): void {
    this.#chat.rooms.get(name)?.log.change((message) => {
      if (message.offset !== offset || (amended ?? message.amended) !== message.amended) {
        return message;
      }
      // The server may have shown another message at this offset before.
      const isOther = of && (message.member !== of.member || message.nonce !== of.nonce);
      return { ...message, ...isOther ? unverified : fields };
    });
  }

  async #addKey(secret: string, room: string | undefined): Promise<string | undefined> {
    const key = await deriveRoom(secret).catch(() => undefined);
    if (key === undefined || room !== undefined && room !== key.room) return undefined;
    this.#keys.set(key.room, key);
    return key.room;
  }

  #store(name: string, room: StoredRoom): void {
    storeRoom(this.#storage, name, room);
    roomLabels.set(name, room.label);
  }

  /** Opens the sealed snapshot of a room, which an earlier visit stored. */
  async #openSnapshot(room: string): Promise<void> {
    const { sealed: messages, ...fields } = readFields<Snapshot & { readonly sealed: unknown }>(
      this.#storage,
      snapshotPrefix + room,
    );
    const snapshot = { ...fields, messages };
    if (!isSnapshot(snapshot)) return;
    const opened: Message[] = [];
    for (const { text, ...message } of snapshot.messages) {
      opened.push({ ...message, ...await this.#openMessage(room, { ...message, text }, []) });
    }
    this.#snapshots.set(room, { ...snapshot, messages: opened });
  }
}

const deleted = { sealed: undefined, isUnverified: undefined } as const;
const unverified = { text: undefined, isUnverified: true } as const;
