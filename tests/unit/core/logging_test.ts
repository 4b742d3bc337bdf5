import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openLogs } from "../../../app/core/logging.ts";
import type { LogOptions } from "../../../app/core/logging.ts";
import { ManualTime } from "../../support/hub_harness.ts";

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
  ms: 3,
};

const quiet: Pick<LogOptions, "level" | "format" | "maxBytes" | "backups" | "mirror"> = {
  level: "info",
  format: "text",
  maxBytes: 1024 * 1024,
  backups: 3,
  mirror: () => {},
};

async function withLogs(
  changed: Partial<LogOptions>,
  use: (bench: {
    logs: ReturnType<typeof openLogs>;
    time: ManualTime;
    dir: string;
    mirrored: string[];
    complaints: string[];
    lines(name: string): string[];
  }) => void | Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const dir = join(root, "logs");
  const time = new ManualTime();
  const mirrored: string[] = [];
  const complaints: string[] = [];
  const logs = openLogs({
    dir,
    ...quiet,
    mirror: (text) => mirrored.push(text),
    complain: (line) => complaints.push(line),
    now: () => at + time.ms - 1_000,
    later: (ms, task) => time.later(ms, task),
    ...changed,
  });
  const lines = (name: string) =>
    Deno.readTextFileSync(join(dir, name)).split("\n").filter((line) => line !== "");
  try {
    await use({ logs, time, dir, mirrored, complaints, lines });
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

Deno.test("openLogs() writes an event as one logfmt line", () =>
  withLogs({}, ({ logs, lines }) => {
    logs.event("message", { session: 3, room: "lobby", name: "Ada L", text: undefined, empty: "" });
    logs.flush();
    assertEquals(lines("websocket.log"), [
      'time=2026-11-23T21:02:20.123Z level=info event=message session=3 room=lobby name="Ada L" empty=""',
    ]);
  }));

Deno.test("openLogs() lets no value break a line, hide in it or turn it round", () =>
  withLogs({}, ({ logs, lines }) => {
    const nasty = 'a\nb\rc\u001b[31m"q"\\ \u2028\u202e=\u0000\u0085';
    logs.event("x", { nasty });
    logs.access({ ...request, path: nasty, userAgent: nasty });
    logs.flush();
    for (const name of ["websocket.log", "access.log"]) {
      assertEquals(lines(name).length, 1);
      // deno-lint-ignore no-control-regex -- these must not be there
      assert(!/[\x00-\x1f\x7f-\x9f\u2028\u202e]/.test(lines(name)[0] ?? "\n"));
    }
  }));

Deno.test("openLogs() writes JSON lines where that is wanted", () =>
  withLogs({ format: "json" }, ({ logs, lines }) => {
    logs.access(request);
    logs.event("join", { room: "a\u2028b" });
    logs.warn("w", {});
    for (const name of ["access.log", "websocket.log", "error.log"]) {
      const [line = ""] = lines(name);
      assertEquals(JSON.parse(line).time, "2026-11-23T21:02:20.123Z");
    }
    assertEquals(JSON.parse(lines("websocket.log")[0] ?? "").room, "a\u2028b");
  }));

Deno.test("openLogs() brings a line to the disk within a second, a warning at once", () =>
  withLogs({}, ({ logs, time, lines, mirrored }) => {
    logs.event("slow", {});
    assertEquals(lines("websocket.log"), []);
    time.pass(1_000);
    assertEquals(lines("websocket.log").length, 1);
    logs.event("before", {});
    logs.warn("now", {});
    assertEquals([lines("websocket.log").length, lines("error.log").length], [2, 1]);
    assertEquals(mirrored.join("").split("\n").length, 4);
  }));

Deno.test("openLogs() needs no timer while nothing happens", () =>
  withLogs({}, ({ logs, time }) => {
    logs.event("one", {});
    time.pass(5_000);
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

Deno.test("openLogs() leaves out what is less severe than the level", () =>
  withLogs({ level: "error" }, ({ logs, lines }) => {
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

Deno.test("openLogs() puts a full log aside", () =>
  withLogs({ maxBytes: 4096 }, ({ logs, dir }) => {
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

Deno.test("openLogs() goes on without a log that cannot be written, tells it once a minute, and takes it up again", () =>
  withLogs({}, async ({ logs, time, dir, complaints, lines }) => {
    logs.close();
    await Deno.remove(dir, { recursive: true });
    await Deno.writeTextFile(dir, "in the way");
    const broken = openLogs({
      dir,
      ...quiet,
      complain: (line) => complaints.push(line),
      now: () => at + time.ms,
      later: (ms, task) => time.later(ms, task),
    });
    for (let i = 0; i < 100; i++) broken.warn("unheard", {});
    assertEquals(complaints.length, 1);
    assertStringIncludes(complaints[0] ?? "", "the chat goes on without it");
    assert(broken.failures >= 100);
    time.pass(61_000);
    broken.warn("unheard", {});
    assertEquals(complaints.length, 2);
    await Deno.remove(dir);
    time.pass(2_000);
    broken.warn("heard", {});
    assertEquals(lines("error.log").length, 1);
    broken.close();
  }));

Deno.test("openLogs() takes up a log again at once after the clock was set back", () =>
  withLogs({}, async ({ logs, time, dir, complaints }) => {
    logs.close();
    await Deno.remove(dir, { recursive: true });
    await Deno.writeTextFile(dir, "in the way");
    let wall = at;
    const broken = openLogs({
      ...quiet,
      dir,
      complain: (line) => complaints.push(line),
      now: () => wall,
      later: (ms, task) => time.later(ms, task),
    });
    await Deno.remove(dir);
    wall -= 3_600_000;
    broken.warn("heard", {});
    assertStringIncludes(Deno.readTextFileSync(join(dir, "error.log")), "event=heard");
    broken.close();
  }));

Deno.test("openLogs() makes a log anew that was removed or moved, within a second", () =>
  withLogs({}, async ({ logs, time, dir, complaints, lines }) => {
    logs.warn("before", {});
    await Deno.remove(dir, { recursive: true });
    time.pass(1_000);
    logs.warn("after", {});
    assertEquals(lines("error.log").length, 1);
    Deno.renameSync(join(dir, "error.log"), join(dir, "moved"));
    time.pass(1_000);
    logs.warn("later", {});
    assertStringIncludes(lines("error.log").join(), "event=later");
    assertStringIncludes(lines("moved").join(), "event=after");
    assertEquals(complaints, []);
  }));

Deno.test("openLogs() leaves the start out of the mirror: the console has the address", () =>
  withLogs({}, ({ logs, time, lines, mirrored }) => {
    logs.event("start", { port: 8000 });
    time.pass(1_000);
    assertEquals([lines("websocket.log").length, mirrored.length], [1, 0]);
    logs.event("connect", {});
    time.pass(1_000);
    assertEquals(mirrored.length, 1);
  }));
