// The lock of a data folder.

import { dirname } from "@std/path";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { checkReadable, FolderLock } from "../../../app/broker/sqlite/lock.ts";
import type { FolderLockOptions } from "../../../app/broker/sqlite/lock.ts";
import { thisProcess } from "../../../app/broker/sqlite/lock_file.ts";

/** Runs a test with a lock path, a clock that moves only by waiting, and several processes. */
async function withPath(
  use: (scene: {
    path: string;
    clock: { ms: number };
    /** How a process with this pid takes the lock. */
    optionsOf(pid: number, options?: Partial<FolderLockOptions>): FolderLockOptions;
    /** Takes the lock as a process with this pid, until the end of the test. */
    acquire(pid: number, options?: Partial<FolderLockOptions>): Promise<FolderLock>;
    text(): string;
  }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/parley.lock`;
  const clock = { ms: 1_000_000 };
  const locks: FolderLock[] = [];
  const optionsOf = (pid: number, options: Partial<FolderLockOptions> = {}) => ({
    path,
    owner: { host: "alpha", pid, id: `id-${pid}` },
    now: () => clock.ms,
    wait: (ms: number) => {
      clock.ms += ms;
      return Promise.resolve();
    },
    ...options,
  });
  try {
    await use({
      path,
      clock,
      optionsOf,
      async acquire(pid, options) {
        const lock = await FolderLock.acquire(optionsOf(pid, options));
        locks.push(lock);
        return lock;
      },
      text: () => Deno.readTextFileSync(path),
    });
  } finally {
    for (const lock of locks) lock.release();
    await Deno.remove(dir, { recursive: true });
  }
}

const onBeta = { owner: { host: "beta", pid: 2, id: "id-2" } };
/** The lock of a network disk that grants every lock. */
const alwaysGranted = { tryLock: () => true };

Deno.test("FolderLock.acquire() writes host and pid at once where there is no lock", () =>
  withPath(async ({ acquire, clock, text }) => {
    const startedAt = clock.ms;
    await acquire(1);
    assertMatch(text(), /^alpha 1 id-1 \d+\n$/);
    assertEquals(clock.ms, startedAt);
  }));

Deno.test("FolderLock.acquire() refuses a held lock and names its owner", () =>
  withPath(async ({ acquire, path, text }) => {
    const lock = await acquire(1);
    const before = text();
    await assertRejects(
      () => acquire(2),
      Error,
      `Cannot lock ${path}: process 1 on host alpha is using this folder; stop it first`,
    );
    assertEquals(text(), before);
    lock.check();
  }));

Deno.test("FolderLock.acquire() waits briefly for an owner that is about to end", () =>
  withPath(async ({ acquire, clock }) => {
    const first = await acquire(1);
    const wait = (ms: number) => {
      clock.ms += ms;
      if (clock.ms >= 1_000_200) first.release();
      return Promise.resolve();
    };
    const second = await acquire(2, { wait });
    second.check();
    assert(clock.ms < 1_000_500);
  }));

Deno.test("FolderLock.acquire() takes the lock of a killed process of the same host at once", () =>
  withPath(async ({ acquire, path, clock, text }) => {
    for (const left of ["alpha 1 id-1 17\n", "", "garbage \u0000\u001b[31m".repeat(1_000)]) {
      Deno.writeTextFileSync(path, left);
      const startedAt = clock.ms;
      const lock = await acquire(2);
      assertMatch(text(), /^alpha 2 id-2 \d+\n$/);
      assertEquals(clock.ms, startedAt);
      lock.release();
    }
  }));

Deno.test("FolderLock.acquire() takes the lock of another host after six seconds without change", () =>
  withPath(async ({ acquire, path, clock, text }) => {
    Deno.writeTextFileSync(path, "beta 1 id-1 17\n");
    const startedAt = clock.ms;
    await acquire(2);
    assertMatch(text(), /^alpha 2 /);
    assert(clock.ms - startedAt >= 6_000);
  }));

Deno.test("FolderLock.acquire() refuses a live lock on a file system that grants every lock", () =>
  withPath(async ({ acquire, clock }) => {
    const first = await acquire(1, alwaysGranted);
    const wait = (ms: number) => {
      clock.ms += ms;
      first.refresh();
      return Promise.resolve();
    };
    for (const owner of [onBeta.owner, { host: "alpha", pid: 2, id: "id-2" }]) {
      await assertRejects(
        () => acquire(2, { ...alwaysGranted, owner, wait }),
        Error,
        "process 1 on host alpha is using this folder",
      );
    }
    first.check();
  }));

Deno.test("FolderLock.acquire() starts over when the owner releases the lock meanwhile", () =>
  withPath(async ({ acquire, clock, text }) => {
    const first = await acquire(1, alwaysGranted);
    const wait = (ms: number) => {
      clock.ms += ms;
      first.release();
      return Promise.resolve();
    };
    await acquire(2, { ...alwaysGranted, wait });
    assertMatch(text(), /^alpha 2 /);
    assert(clock.ms < 1_001_000);
  }));

Deno.test("FolderLock.acquire() gives a dead process's lock to only one of two where the file system grants every lock", () =>
  withPath(async ({ acquire, path, clock }) => {
    Deno.writeTextFileSync(path, "beta 9 id-9 17\n");
    let waits = 0;
    // The second one waits as long, and writes just after the first.
    const wait = (ms: number) => {
      clock.ms += ms;
      if (++waits === 13) Deno.writeTextFileSync(path, "beta 2 id-2 1\n");
      return Promise.resolve();
    };
    await assertRejects(
      () => acquire(1, { ...alwaysGranted, wait }),
      Error,
      "process 2 on host beta is using this folder",
    );
  }));

Deno.test("FolderLock.check() throws after a pause in which another process took the lock", () =>
  withPath(async ({ acquire, clock, text }) => {
    const first = await acquire(1, alwaysGranted);
    first.check();
    // The first one is suspended.
    const second = await acquire(2, { ...alwaysGranted, ...onBeta });
    assert(clock.ms - 1_000_000 >= 6_000);
    assertThrows(() => first.check(), Error, "process 2 on host beta took it");
    assertStringIncludes(first.lossReason ?? "", "process 2 on host beta took it");
    first.refresh();
    first.release();
    assertMatch(text(), /^beta 2 /);
    second.check();
    assertEquals(second.lossReason, undefined);
  }));

Deno.test("FolderLock.check() reads the file only after a pause, even if the clock was set back", () =>
  withPath(async ({ acquire, path, clock }) => {
    for (const pause of [2_001, -2_001]) {
      const lock = await acquire(1);
      lock.refresh();
      Deno.removeSync(path);
      clock.ms += Math.sign(pause) * 2_000;
      lock.check();
      assertEquals(lock.lossReason, undefined);
      clock.ms += Math.sign(pause);
      assertThrows(() => lock.check(), Error, `Lost the lock ${path}: the file was removed`);
    }
  }));

Deno.test("FolderLock.refresh() notices that the file was removed, and changes it while it is there", () =>
  withPath(async ({ acquire, path, text }) => {
    const lock = await acquire(1);
    const before = text();
    lock.refresh();
    assert(text() !== before);
    Deno.removeSync(path);
    lock.refresh();
    assertEquals(lock.lossReason, `Lost the lock ${path}: the file was removed`);
  }));

Deno.test("FolderLock.check() throws while the file cannot be read, and the lock is not lost", () =>
  withPath(async ({ acquire, path, clock }) => {
    const lock = await acquire(1);
    Deno.renameSync(path, `${path}.away`);
    Deno.mkdirSync(path);
    clock.ms += 10_000;
    lock.refresh();
    assertThrows(() => lock.check(), Error, `Cannot open ${path}: `);
    assertEquals(lock.lossReason, undefined);
    Deno.removeSync(path);
    Deno.renameSync(`${path}.away`, path);
    lock.check();
  }));

Deno.test("FolderLock.release() leaves the file to another process that took the lock", () =>
  withPath(async ({ acquire, path, text }) => {
    const lock = await acquire(1);
    const taken = text().replace("id-1", "id-2");
    Deno.writeTextFileSync(path, taken);
    lock.release();
    assertEquals(text(), taken);
  }));

Deno.test("FolderLock.release() removes the file", () =>
  withPath(async ({ acquire, path }) => {
    (await acquire(1)).release();
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  }));

Deno.test("FolderLock.acquire() says that a file system has no locks, and closes the file", () =>
  withPath(async ({ acquire, path }) => {
    const tryLock = () => {
      throw new Error("No locks available (os error 37)");
    };
    await assertRejects(
      () => acquire(1, { tryLock }),
      Error,
      `Cannot lock ${path}: its file system does not support locks (No locks available`,
    );
    await acquire(2);
  }));

Deno.test("FolderLock.acquire() names the file that a full disk cannot store", () =>
  withPath(async ({ acquire, path }) => {
    Deno.symlinkSync("/dev/full", path);
    await assertRejects(() => acquire(1), Error, `Cannot write ${path}: No space left`);
  }));

Deno.test("checkReadable() permits reading if locks work or the owner is dead", () =>
  withPath(async ({ acquire, path, clock, optionsOf }) => {
    await checkReadable(optionsOf(2));
    const lock = await acquire(1);
    await checkReadable(optionsOf(2, { owner: onBeta.owner }));
    lock.release();
    Deno.writeTextFileSync(path, "alpha 1 id-1 17\n");
    await checkReadable(optionsOf(2));
    assertEquals(clock.ms, 1_000_000);
    Deno.writeTextFileSync(path, "beta 1 id-1 17\n");
    await checkReadable(optionsOf(2));
    assertEquals(clock.ms, 1_006_000);
    assertEquals(Deno.readTextFileSync(path), "beta 1 id-1 17\n");
  }));

Deno.test("checkReadable() throws if the locks of a live owner have no effect", () =>
  withPath(async ({ acquire, path, optionsOf }) => {
    const lock = await acquire(1, alwaysGranted);
    const wait = () => {
      lock.refresh();
      return Promise.resolve();
    };
    await assertRejects(
      () => checkReadable(optionsOf(2, { ...alwaysGranted, wait })),
      Error,
      `Cannot read ${dirname(path)}: process 1 on host alpha is using it`,
    );
    lock.check();
  }));

Deno.test("thisProcess() identifies this process by host, pid and a random id", () => {
  const { host, pid, id } = thisProcess();
  assertMatch(host, /^[\w.-]+$/);
  assertEquals(pid, Deno.pid);
  assert(thisProcess().id !== id);
});
