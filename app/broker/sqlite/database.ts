// The open file of one node's log: what stands under its name, transactions, and every statement that is asked of it. What
// they mean is sqlite_broker.ts's affair.

import { dirname } from "@std/path";
import { backup, DatabaseSync } from "node:sqlite";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { migrate, schemaVersion } from "./schema.ts";

/** `normal`: what is committed survives the death of the process. `full`: loss of power too. */
export type Durability = "normal" | "full";

/** What SQLite keeps of the file in memory, in KiB: no more is any faster, since the kernel keeps the rest. */
const cacheKiB = 4_000;
/** The journal goes into the file when it has so many pages of 4 KiB: the fewer times, the fewer messages wait for a disk. */
const journalPages = 4_000;

/** The open file and everything that is asked of it. */
export class DatabaseFile {
  readonly #database: DatabaseSync;
  readonly #path: string;
  /** The file and its journal as they were opened, whatever stands under their names now. */
  readonly #identity: string | undefined;
  readonly #logIdentity: string | undefined;
  isFrozen = false;

  /**
   * Opens the file, or makes it, and brings it to the present schema. Waits `waitMs` for somebody else to let go of it.
   *
   * @throws {Error} If it cannot be used; the message says why.
   */
  constructor(path: string, durability: Durability, waitMs: number) {
    this.#database = openDatabase(path, durability, waitMs);
    this.#path = path;
    this.#identity = identityOf(path);
    this.#logIdentity = identityOf(`${path}-wal`);
  }

  /** What stands under the name of the file. Of a file that cannot be looked at nothing is known to be wrong. */
  place(): "ours" | "free" | "taken" {
    const found = identityOf(this.#path);
    if (found === this.#identity || found === "unknown") return "ours";
    if (found !== undefined) return "taken";
    const log = identityOf(`${this.#path}-wal`);
    return log === undefined || log === this.#logIdentity ? "free" : "taken";
  }

  /** Whether the journal is in its place; without it the end of the process would take what is only there. */
  hasLog(): boolean {
    return identityOf(`${this.#path}-wal`) === this.#logIdentity;
  }

  /** Brings everything from the journal into the file, and then nothing more until `thaw`. */
  freeze(): void {
    this.#database.exec("PRAGMA wal_autocheckpoint = 0");
    this.isFrozen = this.#database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
    if (this.isFrozen) return;
    this.thaw();
    throw new Error("the journal is in use");
  }

  thaw(): void {
    this.isFrozen = false;
    // What the journal has grown by is given back to the disk.
    this.#database.exec(
      `PRAGMA wal_autocheckpoint = ${journalPages}; PRAGMA journal_size_limit = ${
        4_096 * journalPages
      }`,
    );
  }

  /** Takes the journal out of the way, so that it is not taken for that of another file. */
  forgetLog(): void {
    try {
      // If the file was only moved, it has everything now.
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The copy has it.
    }
    if (this.#logIdentity === undefined || !this.hasLog()) return;
    Deno.removeSync(`${this.#path}-wal`);
  }

  /** Copies everything to a new file, in one go that nothing can come between. The folder is made if need be. */
  async save(copy: string): Promise<void> {
    const unfinished = `${this.#path}.saving`;
    Deno.mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    try {
      await backup(this.#database, unfinished, { rate: -1 });
      Deno.renameSync(unfinished, copy);
    } catch (error) {
      for (const rest of [unfinished, `${unfinished}-journal`]) {
        if (identityOf(rest) !== undefined) Deno.removeSync(rest);
      }
      throw error;
    }
  }

  /** Runs `work` in one transaction: either all of it happens, or it throws and nothing did. */
  transaction<T>(work: () => T): T {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Writes what is there already; throws when that is not possible. What is taken back would never reach the disk. */
  probe(): void {
    this.transaction(() => this.#database.exec(`PRAGMA user_version = ${schemaVersion}`));
  }

  roomCount(): number {
    return Number(this.countRooms.get()?.count ?? 0);
  }

  close(): void {
    try {
      this.#database.close();
    } catch {
      // It could not be written; the next opening repairs what has to be repaired.
    }
  }

  /** False when a failure left the file in a state in which nothing more can be done with it. */
  get isSound(): boolean {
    try {
      return !this.#database.isTransaction && this.countRooms.get() !== undefined;
    } catch {
      return false;
    }
  }

  readonly #begin = this.#lazy("BEGIN IMMEDIATE");
  readonly #commit = this.#lazy("COMMIT");

  readonly addTerm = this.#lazy("INSERT INTO terms (name) VALUES (?)");
  readonly termName = this.#lazy("SELECT name FROM terms WHERE id = ?");
  readonly knowsTerm = this.#lazy("SELECT id FROM terms WHERE name = ?");
  readonly lastTerm = this.#lazy("SELECT name FROM terms ORDER BY id DESC LIMIT 1");

  readonly addRoom = this.#lazy("INSERT INTO rooms (name, first, head, at) VALUES (?, 1, 0, 0)");
  readonly findRoom = this.#lazy("SELECT id, first, head, at FROM rooms WHERE name = ?");
  readonly updateRoom = this.#lazy("UPDATE rooms SET head = ?, at = ? WHERE id = ?");
  readonly countRooms = this.#lazy("SELECT count(*) AS count FROM rooms");
  readonly allRooms = this.#lazy("SELECT id, name, first, head, at FROM rooms");
  readonly someRooms = this.#lazy(
    "SELECT id, name, first, head FROM rooms WHERE id >= ? ORDER BY id LIMIT ?",
  );
  readonly setFirst = this.#lazy("UPDATE rooms SET first = ? WHERE id = ?");

  readonly addMessage = this.#lazy(
    `INSERT INTO messages (room, offset, term, at, member, username, text, nonce)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  readonly findTerm = this.#lazy("SELECT term FROM messages WHERE room = ? AND offset = ?");
  readonly readAfter = this.#lazy(
    "SELECT * FROM messages WHERE room = ? AND offset > ? ORDER BY offset LIMIT ?",
  );
  readonly readBefore = this.#lazy(
    "SELECT * FROM messages WHERE room = ? AND offset < ? ORDER BY offset DESC LIMIT ?",
  );
  readonly firstSince = this.#lazy(
    `SELECT offset FROM messages WHERE room = ? AND offset >= ? AND offset < ? AND at >= ?
     ORDER BY offset LIMIT 1`,
  );
  readonly pruneMessages = this.#lazy("DELETE FROM messages WHERE room = ? AND offset < ?");

  /** `CROSS` has SQLite begin with the rooms: most have nothing, and there can be millions of messages. */
  readonly recentNonces = this.#lazy(
    `SELECT room, member, nonce, offset FROM rooms CROSS JOIN messages ON room = id AND offset > noted
     WHERE head > noted`,
  );
  readonly noteNonces = this.#lazy(
    `INSERT OR IGNORE INTO nonces (room, member, nonce, offset, at)
     SELECT room, member, nonce, offset, at FROM messages
     WHERE room = ?1 AND offset > (SELECT noted FROM rooms WHERE id = ?1)
     ORDER BY member, nonce`,
  );
  readonly setNoted = this.#lazy("UPDATE rooms SET noted = head WHERE id = ?");
  readonly findNonce = this.#lazy(
    "SELECT offset FROM nonces WHERE room = ? AND member = ? AND nonce = ?",
  );
  readonly nonceAfter = this.#lazy(
    `SELECT room, member, nonce FROM nonces WHERE (room, member, nonce) > (?, ?, ?)
     ORDER BY room, member, nonce LIMIT 1 OFFSET ?`,
  );
  readonly pruneNonces = this.#lazy(
    `DELETE FROM nonces WHERE (room, member, nonce) > (?, ?, ?) AND (room, member, nonce) <= (?, ?, ?)
     AND at < ?`,
  );

  readonly findName = this.#lazy("SELECT * FROM names WHERE key = ?");
  readonly findNames = this.#lazy("SELECT * FROM names WHERE member = ?");
  readonly putName = this.#lazy(
    `INSERT OR REPLACE INTO names (key, member, username, current, live, spoke, held_until)
     VALUES (?, ?, ?, 1, 1, ?, 0)`,
  );
  readonly forgetNames = this.#lazy("DELETE FROM names WHERE member = ?");
  readonly forgetFormer = this.#lazy("DELETE FROM names WHERE member = ? AND current = 0");
  readonly makeFormer = this.#lazy("UPDATE names SET current = 0 WHERE member = ?");
  readonly forgetSilent = this.#lazy("DELETE FROM names WHERE member = ? AND spoke = 0");
  readonly hold = this.#lazy("UPDATE names SET live = 0, held_until = ? WHERE member = ?");
  readonly wake = this.#lazy("UPDATE names SET live = 1 WHERE member = ?");
  readonly speak = this.#lazy("UPDATE names SET spoke = 1 WHERE member = ? AND spoke = 0");
  readonly endLives = this.#lazy(
    `UPDATE names SET live = 0, held_until = CASE spoke WHEN 1 THEN ? ELSE ? END WHERE live = 1`,
  );
  readonly pruneNames = this.#lazy(
    `DELETE FROM names WHERE key IN
     (SELECT key FROM names WHERE live = 0 AND held_until <= ? LIMIT ?)`,
  );

  /** A statement that is prepared when it is first used: most are rare. */
  #lazy(sql: string): Statement {
    let statement: StatementSync | undefined;
    const prepared = () => statement ??= this.#database.prepare(sql);
    return {
      run: (...values) => prepared().run(...values),
      get: (...values) => prepared().get(...values),
      all: (...values) => prepared().all(...values),
    };
  }
}

/** A prepared statement, with values by position. */
interface Statement {
  run(
    ...values: SQLInputValue[]
  ): { readonly lastInsertRowid: number | bigint; readonly changes: number | bigint };
  get(...values: SQLInputValue[]): Record<string, unknown> | undefined;
  all(...values: SQLInputValue[]): Record<string, unknown>[];
}

function openDatabase(
  path: string,
  durability: Durability,
  waitMs: number,
): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec(`
      PRAGMA busy_timeout = ${waitMs};
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${durability};
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${cacheKiB};
      PRAGMA wal_autocheckpoint = ${journalPages};
    `);
    // The first use takes the lock for as long as the file is open.
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    throw cannotOpen(path, error);
  }
}

/** Says why a file cannot be used. */
export function cannotOpen(path: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const why = message.includes("locked") ? "another server or program is using it" : message;
  return new Error(`Cannot open ${path}: ${why}`, { cause: error });
}

/** Which file stands under a name, if one does. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return isAbsent ? undefined : "unknown";
  }
}
