// The `export` command.

import { assertEquals, assertRejects } from "@std/assert";
import { exportLines, readRoom } from "../../../app/commands/export.ts";
import { writeLines } from "../../../app/commands/output_file.ts";
import { databaseFolder, storeMessage } from "../../support/database_folder.ts";

Deno.test("exportLines() yields a room in use as JSON lines, and as text lines that no message can forge", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  storeMessage(broker, "Good morning");
  storeMessage(broker, "two\n2025-11-24 09:30:05 Ben: lines");
  storeMessage(broker, "three\u20282025-11-24 09:30:05 Ben: forged\u0085x\vy");
  storeMessage(broker, "in another room", "tea");
  const write = async (room: string, format: "jsonl" | "text") =>
    (await Array.fromAsync(exportLines(readRoom(folder.path, room), format))).join("");
  const lines = (await write("lobby", "jsonl")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(lines.length, 3);
  assertEquals(lines[0], {
    room: "lobby",
    offset: 1,
    at: "2025-11-24T09:30:05.000Z",
    member: "m1",
    from: "Ada",
    text: "Good morning",
  });
  assertEquals(
    await write("lobby", "text"),
    "2025-11-24 09:30:05 Ada: Good morning\n" +
      "2025-11-24 09:30:05 Ada: two\n    2025-11-24 09:30:05 Ben: lines\n" +
      "2025-11-24 09:30:05 Ada: three\n    2025-11-24 09:30:05 Ben: forged\n    x\n    y\n",
  );
  await assertRejects(() => write("nowhere", "text"), Error, "it has no messages");
});

Deno.test("exportLines() yields messages with their current text, and deleted ones as deleted [E6]", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  for (const text of ["secret", "b"]) storeMessage(broker, text);
  const author = { room: "lobby", member: "m1", from: "Ada" };
  broker.append([
    { type: "message", ...author, text: "answer", reply: 2, nonce: "r" },
    { type: "edit", ...author, target: 2, text: "better", nonce: "e" },
    { type: "delete", ...author, targets: [1], nonce: "d" },
    { type: "title", ...author, text: "Title", nonce: "t" },
  ]);
  const write = async (format: "jsonl" | "text") =>
    (await Array.fromAsync(exportLines(readRoom(folder.path, "lobby"), format))).join("");
  const at = "2025-11-24T09:30:05.000Z";
  const common = { room: "lobby", at, member: "m1", from: "Ada" };
  const lines = (await write("jsonl")).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines, [
    { ...common, offset: 1, deletedBy: "m1" },
    { ...common, offset: 2, editedAt: at, text: "better" },
    { ...common, offset: 3, reply: 2, text: "answer" },
  ]);
  assertEquals(
    await write("text"),
    "2025-11-24 09:30:05 Ada deleted this message\n" +
      "2025-11-24 09:30:05 Ada [edited]: better\n" +
      "2025-11-24 09:30:05 Ada: answer\n",
  );
});

Deno.test("readRoom() yields each message stored at its start exactly once, while the server keeps running", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  for (let i = 1; i <= 1_200; i++) storeMessage(broker, `${i}`);
  const offsets: number[] = [];
  for await (const line of exportLines(readRoom(folder.path, "lobby"), "jsonl")) {
    offsets.push(JSON.parse(line).offset);
    storeMessage(broker, "later");
  }
  assertEquals(offsets, Array.from({ length: 1_200 }, (_, i) => i + 1));
  assertEquals(folder.names(), ["parley.db", "parley.db-shm", "parley.db-wal"]);
});

Deno.test("writeLines() leaves a file as it is until the export has succeeded", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  storeMessage(broker, "Good morning");
  broker.close();
  const file = `${folder.dir}/old.txt`;
  await Deno.writeTextFile(file, "old");
  const write = (room: string) =>
    writeLines(file, exportLines(readRoom(folder.path, room), "text"));
  await assertRejects(() => write("nowhere"), Error, "it has no messages");
  assertEquals(await Deno.readTextFile(file), "old");
  await write("lobby");
  assertEquals(await Deno.readTextFile(file), "2025-11-24 09:30:05 Ada: Good morning\n");
  assertEquals(folder.names(), ["old.txt", "parley.db"]);
  await assertRejects(
    () => writeLines(file, exportLines(readRoom(`${folder.dir}/none/parley.db`, "lobby"), "text")),
    Error,
    "none/parley.db: it does not exist",
  );
});
