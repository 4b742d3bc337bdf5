// How a running server and a program that copies its database agree. The server has the file for itself, and the copying of
// SQLite stops a whole process; so the program asks by a file beside the database that it be frozen, the server brings
// everything into the database and leaves it as it is for a while, new messages going into the journal, and the program
// copies it. Who may write into the folder may ask; nobody else. What a program that was killed meanwhile has left is removed by
// the next of both that has the file for itself.

import { basename, dirname, join } from "@std/path";

/** What the server does to its database. */
export interface Freezable {
  /** Brings everything into the file, and leaves it as it is until `thaw`. Throws when that cannot be done. */
  freeze(): void;
  thaw(): void;
  /** False when the file may have been changed since `freeze`. */
  readonly isFrozen: boolean;
}

/** How often each side looks. */
const askMs = 100;
/** The program says so often that it is still there; without that the server lets go. */
const aliveMs = 2_000;
const forgottenMs = 30_000;
const answerMostMs = 15_000;

function requestPath(path: string): string {
  return `${path}.freeze`;
}

/** A name for a copy that is needed no longer than its program keeps all others from copying. */
export function newCopyPath(path: string): string {
  return `${path}.copy-${crypto.randomUUID()}`;
}

/** Removes the copies under such names. Only for who keeps all others from copying. */
export function removeLeftCopies(path: string): void {
  const dir = dirname(path);
  for (const { name } of Deno.readDirSync(dir)) {
    if (!name.startsWith(`${basename(path)}.copy-`)) continue;
    try {
      Deno.removeSync(join(dir, name));
    } catch {
      // On Windows it may be read still; the next one removes it.
    }
  }
}

/** The server's side, for the database at `path`. `look` is to be called about once a second. */
export class Freezer {
  readonly #path: string;
  readonly #file: Freezable;
  readonly #now: () => number;
  readonly #report: (event: string, error: unknown) => void;
  /** Who it is frozen for. */
  #id: string | undefined;

  constructor(
    path: string,
    file: Freezable,
    now: () => number,
    report: (event: string, error: unknown) => void,
  ) {
    this.#path = requestPath(path);
    this.#file = file;
    this.#now = now;
    this.#report = report;
  }

  /** Freezes the file when somebody asks for it, and thaws it when they are done, or gone. Never throws. */
  look(): void {
    const asked = readRequest(this.#path);
    if (this.#id !== undefined && (asked?.id !== this.#id || !this.#file.isFrozen)) this.#thaw();
    if (asked === undefined) return;
    try {
      if (this.#now() - asked.at > forgottenMs) {
        this.#thaw();
        Deno.removeSync(this.#path);
      } else if (asked.word === "wanted") {
        this.#file.freeze();
        this.#id = asked.id;
        writeRequest(this.#path, "frozen", asked.id);
      } else if (asked.word === "frozen" && this.#id === undefined) {
        // It was, in the life of the server before or until the file was opened anew.
        Deno.removeSync(this.#path);
      }
    } catch (error) {
      this.#thaw();
      this.#report("freeze", error);
    }
  }

  #thaw(): void {
    if (this.#id === undefined) return;
    this.#id = undefined;
    this.#file.thaw();
  }
}

/**
 * The program's side: does `work` while the server leaves the database at `path` as it is.
 *
 * @throws {Error} If no server answers, or it could not leave the file as it is until the end of `work`.
 */
export async function whileFrozen<T>(
  path: string,
  work: () => Promise<T>,
  answerMs = answerMostMs,
): Promise<T> {
  const request = requestPath(path);
  const id = crypto.randomUUID();
  try {
    writeRequest(request, "wanted", id, { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Error(`Cannot copy ${path}: another copy is being made, ${request} says`);
  }
  const alive = setInterval(() => keepAlive(request), aliveMs);
  const isFrozen = () => {
    const asked = readRequest(request);
    return asked?.id === id && asked.word === "frozen";
  };
  try {
    for (const until = Date.now() + answerMs; !isFrozen();) {
      if (readRequest(request) === undefined) throw notFrozen(path);
      if (Date.now() > until) {
        throw new Error(`Cannot copy ${path}: a program has it open, and does not answer`);
      }
      await new Promise((resolve) => setTimeout(resolve, askMs));
    }
    const before = stateOf(path);
    const result = await work();
    if (!isFrozen() || stateOf(path) !== before) throw notFrozen(path);
    return result;
  } finally {
    clearInterval(alive);
    if (readRequest(request)?.id === id) Deno.removeSync(request);
  }
}

function notFrozen(path: string): Error {
  return new Error(`Cannot copy ${path}: the server could not leave it as it was, try again`);
}

function keepAlive(request: string): void {
  try {
    Deno.utimeSync(request, new Date(), new Date());
  } catch {
    // The server has given it up, which is found out at the end.
  }
}

interface Request {
  readonly word: string;
  readonly id: string;
  /** When the program was last heard of, in ms since 1970. */
  readonly at: number;
}

function readRequest(path: string): Request | undefined {
  try {
    const [, word = "", id = ""] = /^(\w+) ([\w-]+)\n$/.exec(Deno.readTextFileSync(path)) ?? [];
    return { word, id, at: Deno.statSync(path).mtime?.getTime() ?? 0 };
  } catch {
    return undefined;
  }
}

function writeRequest(
  path: string,
  word: string,
  id: string,
  options: Deno.WriteFileOptions = {},
): void {
  Deno.writeTextFileSync(path, `${word} ${id}\n`, options);
}

/** What is different after any change of a file. */
function stateOf(path: string): string {
  const { size, mtime, ino } = Deno.statSync(path);
  return `${size} ${mtime?.getTime()} ${ino}`;
}
