import { assert, assertEquals } from "@std/assert";
import { optionsFor, withBroker, withFile } from "../../support/sqlite_harness.ts";
import { draft } from "./broker_contract.ts";

Deno.test("SqliteBroker.prune() leaves no deleted text in the files, and shrinks them", () =>
  withFile((path) => {
    const options = optionsFor(path, undefined, { retentionMessages: 1 });
    withBroker(options, (broker) => {
      for (let i = 0; i < 2_000; i++) {
        broker.append([{ ...draft(`secret ${"x".repeat(500)}`), nonce: `n${i}` }]);
      }
      broker.append([draft("kept")]);
      const before = Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
      let steps = 0;
      while (broker.prune()) assert(++steps < 100);
      for (const suffix of ["", "-wal"]) {
        const bytes = new TextDecoder("latin1").decode(Deno.readFileSync(path + suffix));
        assertEquals(bytes.includes("secret"), false, suffix);
      }
      const after = Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
      assert(after < before / 4, `${before} ${after}`);
    });
  }));

Deno.test("SqliteBroker.append() refuses new messages beyond maxDataBytes, but not repeats of stored ones [M3]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const options = optionsFor(path, wall, { maxDataBytes: 200_000 });
    withBroker(options, (broker) => {
      let stored = 0;
      for (;;) {
        wall.ms += 1_000;
        const more = { ...draft("x".repeat(2_000)), nonce: `n${stored}` };
        const kind = broker.append([more])[0]?.kind;
        if (kind !== "stored") {
          assertEquals(kind, "storage_full");
          break;
        }
        stored++;
        assert(stored < 200);
      }
      assert(stored > 20 && broker.isFull);
      const [repeat, newRoom] = broker.append([
        { ...draft("x".repeat(2_000)), nonce: "n0" },
        draft("x", { room: "new" }),
      ]);
      assertEquals([repeat?.kind, newRoom?.kind], ["repeat", "storage_full"]);
    });
  }));
