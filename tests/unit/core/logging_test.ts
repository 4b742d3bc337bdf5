// The log files.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openLogs } from "../../../app/core/logging.ts";
import type { LogOptions } from "../../../app/core/logging.ts";
import { ManualTime } from "../../support/manual_time.ts";

const at = Date.UTC(2026, 10, 23, 21, 2, 20, 123);
const request = {
  address: "192.0.2.7",
  method: "GET",
  path: "/r/lobby?x=1",
  protocol: "HTTP/1.1",
  status: 200,
  bytes: 512,
  referrer: undefined,
  userAgent: 'Mozilla "5.0"\r\nX: y',
  ms: 3.00049999,
};

const entry = {
  type: "message",
  session: "a.1",
  room: "lobby",
  offset: 7,
  name: "Ada L",
  length: 5,
} as const;

const quiet: Omit<LogOptions, "logDir" | "onFailure" | "now" | "later"> = {
  logAddresses: "full",
  logLevel: "info",
  logFormat: "text",
  logMaxBytes: 1024 * 1024,
  logBackups: 3,
  mirror: () => {},
};

async function withLogs(
  changed: Partial<LogOptions>,
  use: (bench: {
    logs: ReturnType<typeof openLogs>;
    time: ManualTime;
    dir: string;
    mirrored: string[];
    reports: string[];
    lines(name: string): string[];
  }) => void | Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const dir = join(root, "logs");
  const time = new ManualTime();
  const mirrored: string[] = [];
  const reports: string[] = [];
  const logs = openLogs({
    logDir: dir,
    ...quiet,
    mirror: (text) => mirrored.push(text),
    onFailure: (line) => reports.push(line),
    now: () => at + time.ms - 1_000,
    later: (ms, task) => time.later(ms, task),
    ...changed,
  });
  const lines = (name: string) =>
    Deno.readTextFileSync(join(dir, name)).split("\n").filter((line) => line !== "");
  try {
    await use({ logs, time, dir, mirrored, reports, lines });
  } finally {
    logs.close();
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("openLogs() writes a request in the NCSA combined format", () =>
  withLogs({}, ({ logs, lines }) => {
    logs.access(request);
    logs.flush();
    assertEquals(lines("access.log"), [
      '192.0.2.7 - - [23/Nov/2026:21:02:20 +0000] "GET /r/lobby?x=1 HTTP/1.1" 200 512 "-" ' +
      '"Mozilla \\"5.0\\"\\u000d\\nX: y"',
    ]);
  }));

Deno.test("openLogs() gives messages their own file", () =>
  withLogs({ logMaxBytes: 4096, logBackups: 1 }, ({ logs, lines }) => {
    logs.event("connect", { session: "a.1" });
    // Most fit into one write, one batch is larger than a file.
    for (const count of [1, 900, 99]) logs.entries(Array.from({ length: count }, () => entry));
    logs.flush();
    assertEquals(lines("websocket.log").length, 1);
    const kept = lines("messages.log");
    assert(kept.length < 100);
    assertEquals(new Set(kept).size, 1);
  }));

Deno.test("openLogs() shortens or leaves out addresses", async () => {
  for (
    const [logAddresses, ipv4, ipv6] of [
      ["full", "192.0.2.7", "2001:db8:1:2::7"],
      ["short", "192.0.2.0", "2001:db8:1::"],
      ["none", "-", "-"],
    ] as const
  ) {
    await withLogs({ logAddresses }, ({ logs, lines }) => {
      logs.access(request);
      logs.event("connect", { session: "a.1", address: "2001:db8:1:2::7" });
      logs.warn("untrusted_proxy", { peer: "192.0.2.7", hint: "192.0.2.7 stays" });
      logs.error("internal", new Error("failed"), { address: "192.0.2.7" });
      logs.flush();
      const [access = "", connect = "", warning = "", error = ""] = ["access", "websocket", "error"]
        .flatMap((name) => lines(`${name}.log`));
      assert(access.startsWith(`${ipv4} - - [`), access);
      assertStringIncludes(connect, `session=a.1 address=${ipv6}`);
      assertStringIncludes(warning, `peer=${ipv4} `);
      assertStringIncludes(error, `address=${ipv4} `);
    });
  }
});

Deno.test("openLogs() writes an event as one logfmt line", () =>
  withLogs({}, ({ logs, lines }) => {
    logs.event("hello", { session: 3, room: "lobby", name: "Ada L", text: undefined, empty: "" });
    logs.flush();
    assertEquals(lines("websocket.log"), [
      'time=2026-11-23T21:02:20.123Z level=info event=hello session=3 room=lobby name="Ada L" empty=""',
    ]);
  }));

Deno.test("openLogs() writes each of several events of a kind, with its own fields and time", () =>
  withLogs({}, ({ logs, time, lines }) => {
    logs.event("hello", { name: "Ada" });
    time.advance(500);
    logs.event("hello", { name: "Ben" });
    logs.flush();
    assertEquals(lines("websocket.log"), [
      "time=2026-11-23T21:02:20.123Z level=info event=hello name=Ada",
      "time=2026-11-23T21:02:20.623Z level=info event=hello name=Ben",
    ]);
  }));

Deno.test("openLogs() quotes values so that none can pass for another field", () =>
  withLogs({}, ({ logs, lines }) => {
    logs.event("hello", { name: '\\" member="1' });
    logs.flush();
    assertEquals(lines("websocket.log"), [
      'time=2026-11-23T21:02:20.123Z level=info event=hello name="\\\\\\" member=\\"1"',
    ]);
  }));

Deno.test("openLogs() writes a line for each entry", () =>
  withLogs({}, ({ logs, lines }) => {
    const { session, room } = entry;
    logs.entries([
      entry,
      { type: "edit", session, room, offset: 8, name: "Ada", targets: "7", length: 3 },
      { type: "delete", session, room, offset: 9, name: "Ada", targets: "7,8" },
      { ...entry, offset: 10, text: 'a "b"\n\u202e' },
    ]);
    logs.flush();
    const head = "time=2026-11-23T21:02:20.123Z level=info event=";
    assertEquals(lines("messages.log"), [
      `${head}message session=a.1 room=lobby offset=7 name="Ada L" length=5`,
      `${head}edit session=a.1 room=lobby offset=8 name=Ada targets=7 length=3`,
      `${head}delete session=a.1 room=lobby offset=9 name=Ada targets=7,8`,
      `${head}message session=a.1 room=lobby offset=10 name="Ada L" length=5 ` +
      'text="a \\"b\\"\\n\\u202e"',
    ]);
  }));

Deno.test("openLogs() writes entries as JSON if asked to", () =>
  withLogs({ logFormat: "json" }, ({ logs, lines }) => {
    logs.entries([{ ...entry, text: "\u202e" }]);
    logs.flush();
    const [line = ""] = lines("messages.log");
    assert(!line.includes("\u202e"));
    const { type: event, ...fields } = entry;
    const time = "2026-11-23T21:02:20.123Z";
    assertEquals(JSON.parse(line), { time, level: "info", event, ...fields, text: "\u202e" });
  }));

Deno.test("openLogs() writes requests as JSON if asked to, with a rounded time", () =>
  withLogs({ logFormat: "json" }, ({ logs, lines }) => {
    logs.access(request);
    logs.flush();
    const { ms, status } = JSON.parse(lines("access.log")[0] ?? "");
    assertEquals([ms, status], [3, 200]);
  }));

Deno.test("openLogs() escapes everything that could break or forge a line", () =>
  withLogs({}, ({ logs, lines }) => {
    const nasty = 'a\nb\rc\u001b[31m"q"\\ \u2028\u061c\u202e=\u0000\u0085';
    logs.event("x", { nasty });
    logs.access({ ...request, path: nasty, userAgent: nasty });
    logs.flush();
    for (const name of ["websocket.log", "access.log"]) {
      assertEquals(lines(name).length, 1);
      // deno-lint-ignore no-control-regex -- the characters that must not occur
      assert(!/[\x00-\x1f\x7f-\x9f\u2028\u061c\u202e]/.test(lines(name)[0] ?? "\n"));
    }
  }));

Deno.test("openLogs() writes JSON lines if configured", () =>
  withLogs({ logFormat: "json" }, ({ logs, lines }) => {
    logs.access(request);
    logs.event("join", { room: "a\u2028b" });
    logs.warn("w", {});
    for (const name of ["access.log", "websocket.log", "error.log"]) {
      const [line = ""] = lines(name);
      assertEquals(JSON.parse(line).time, "2026-11-23T21:02:20.123Z");
    }
    assertEquals(JSON.parse(lines("websocket.log")[0] ?? "").room, "a\u2028b");
  }));

Deno.test("openLogs() flushes lines within a second, and warnings at once", () =>
  withLogs({}, ({ logs, time, lines, mirrored }) => {
    logs.event("slow", {});
    assertEquals(lines("websocket.log"), []);
    time.advance(1_000);
    assertEquals(lines("websocket.log").length, 1);
    logs.event("before", {});
    logs.warn("now", {});
    assertEquals([lines("websocket.log").length, lines("error.log").length], [2, 1]);
    assertEquals(mirrored.join("").split("\n").length, 4);
  }));

Deno.test("openLogs() runs no timer while idle", () =>
  withLogs({}, ({ logs, time }) => {
    logs.event("one", {});
    time.advance(5_000);
    assertEquals(time.timers, 0);
  }));

Deno.test("openLogs() writes errors with their stack, on one line", () =>
  withLogs({}, ({ logs, lines }) => {
    logs.error("failed", new TypeError("no\nway"), { room: "lobby" });
    const [line = ""] = lines("error.log");
    assertStringIncludes(line, 'error="TypeError: no\\nway');
    assertMatch(line, /logging_test\.ts/);
    assertEquals(lines("error.log").length, 1);
  }));

Deno.test("openLogs() drops lines below the level", () =>
  withLogs({ logLevel: "error" }, ({ logs, lines }) => {
    logs.access(request);
    logs.event("e", {});
    logs.warn("w", {});
    logs.error("x", "y");
    logs.flush();
    assertEquals(
      ["access.log", "websocket.log", "error.log"].map((name) => lines(name).length),
      [0, 0, 1],
    );
  }));

Deno.test("openLogs() rotates a full log", () =>
  withLogs({ logMaxBytes: 4096 }, ({ logs, dir }) => {
    for (let i = 0; i < 200; i++) logs.event("fill", { text: "\u20ac".repeat(50) });
    logs.flush();
    const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
    assertEquals(names.filter((name) => name.startsWith("websocket")), [
      "websocket.log",
      "websocket.log.1",
      "websocket.log.2",
      "websocket.log.3",
    ]);
    for (const name of names) assert(Deno.statSync(join(dir, name)).size <= 4096);
  }));

Deno.test("openLogs() reports a failure once a minute while a log cannot be written, and then resumes", () =>
  withLogs({}, async ({ logs, time, dir, reports, lines }) => {
    logs.close();
    await Deno.remove(dir, { recursive: true });
    await Deno.writeTextFile(dir, "in the way");
    const broken = openLogs({
      logDir: dir,
      ...quiet,
      onFailure: (line) => reports.push(line),
      now: () => at + time.ms,
      later: (ms, task) => time.later(ms, task),
    });
    for (let i = 0; i < 100; i++) broken.warn("lost", {});
    assertEquals(reports.length, 1);
    assertStringIncludes(reports[0] ?? "", "the chat continues without it");
    assertEquals(broken.failures, 100);
    time.advance(61_000);
    broken.warn("lost", {});
    assertEquals(reports.length, 2);
    await Deno.remove(dir);
    time.advance(2_000);
    broken.warn("written", {});
    assertEquals(lines("error.log").length, 1);
    broken.close();
  }));

Deno.test("openLogs() reopens a log at once after the clock was set back", () =>
  withLogs({}, async ({ logs, time, dir, reports }) => {
    logs.close();
    await Deno.remove(dir, { recursive: true });
    await Deno.writeTextFile(dir, "in the way");
    let wall = at;
    const broken = openLogs({
      ...quiet,
      logDir: dir,
      onFailure: (line) => reports.push(line),
      now: () => wall,
      later: (ms, task) => time.later(ms, task),
    });
    await Deno.remove(dir);
    wall -= 3_600_000;
    broken.warn("written", {});
    assertStringIncludes(Deno.readTextFileSync(join(dir, "error.log")), "event=written");
    broken.close();
  }));

Deno.test("openLogs() recreates a removed or moved log within a second", () =>
  withLogs({}, async ({ logs, time, dir, reports, lines }) => {
    logs.warn("before", {});
    await Deno.remove(dir, { recursive: true });
    time.advance(1_000);
    logs.warn("after", {});
    assertEquals(lines("error.log").length, 1);
    Deno.renameSync(join(dir, "error.log"), join(dir, "moved"));
    time.advance(1_000);
    logs.warn("later", {});
    assertStringIncludes(lines("error.log").join(), "event=later");
    assertStringIncludes(lines("moved").join(), "event=after");
    assertEquals(reports, []);
  }));

Deno.test({
  name: "openLogs() does not block on a named pipe that replaces a log",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withLogs({}, ({ logs, time, dir, reports, lines }) => {
      logs.warn("before", {});
      Deno.removeSync(join(dir, "error.log"));
      new Deno.Command("mkfifo", { args: [join(dir, "error.log")] }).outputSync();
      time.advance(1_000);
      logs.warn("lost", {});
      assertStringIncludes(reports.join(), "error.log: it is a pipe");
      Deno.removeSync(join(dir, "error.log"));
      time.advance(1_000);
      logs.warn("after", {});
      assertStringIncludes(lines("error.log").join(), "event=after");
    }),
});

Deno.test("openLogs() mirrors neither the start event nor messages", () =>
  withLogs({}, ({ logs, time, lines, mirrored }) => {
    logs.event("start", { port: 8000 });
    logs.entries([entry]);
    time.advance(1_000);
    assertEquals([lines("websocket.log").length, mirrored.length], [1, 0]);
    logs.event("connect", {});
    time.advance(1_000);
    assertEquals(mirrored.length, 1);
  }));

Deno.test({
  name: "openLogs() leaks no descriptor while the disk is full",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withLogs({}, ({ logs, time, dir, reports, lines }) => {
      logs.close();
      // Counts only descriptors of these logs, since tests that run in parallel share the process.
      const countDescriptors = () =>
        [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => targetOf(name))
          .filter((target) => target === "/dev/full" || target.startsWith(dir)).length;
      const before = countDescriptors();
      for (const name of ["access.log", "error.log", "websocket.log"]) {
        Deno.removeSync(join(dir, name));
        Deno.symlinkSync("/dev/full", join(dir, name));
      }
      const full = openLogs({
        ...quiet,
        logDir: dir,
        onFailure: (line) => reports.push(line),
        now: () => at + time.ms,
        later: (ms, task) => time.later(ms, task),
      });
      const open = countDescriptors();
      for (let retry = 0; retry < 20; retry++) {
        full.warn("lost", {});
        // Longer than the buffer, so that writing fails too, not only flushing.
        full.event("lost", { text: "x".repeat(100_000) });
        full.access(request);
        full.flush();
        time.advance(1_000);
      }
      assertEquals(full.failures, 60);
      assert(countDescriptors() <= open, `${countDescriptors()} descriptors, ${open} at first`);
      assertStringIncludes(reports.join(), "No space left");
      Deno.removeSync(join(dir, "error.log"));
      full.warn("written", {});
      assertEquals(lines("error.log").length, 1);
      full.close();
      assertEquals(countDescriptors(), before);
    }),
});

/** Returns the target of a descriptor of this process, or "" if it was closed meanwhile. */
function targetOf(descriptor: string): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}
