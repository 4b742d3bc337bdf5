// Checks the import rules of docs/architecture.md, and that there are no cycles. Type-only imports
// count too.

import { assert, assertEquals } from "@std/assert";

const root = new URL("../../../", import.meta.url);

/**
 * The files and folders that a folder may import from, in addition to itself. Files are named in
 * full; folders end in a slash.
 */
const rules: Readonly<Record<string, readonly string[]>> = {
  "app/protocol/": [],
  "app/chat/": ["app/protocol/"],
  "app/broker/": ["app/protocol/", "app/chat/broker.ts", "app/core/"],
  "app/core/": ["app/protocol/", "app/chat/ports.ts"],
  "app/web/": ["app/protocol/", "app/chat/", "app/core/"],
  "app/commands/": ["app/"],
  "app/chat_server.ts": ["app/"],
  "static/client/": ["app/protocol/"],
};

/** The only importers of each package, by the start of their paths. */
const packages: Readonly<Record<string, string>> = {
  "@std/log": "app/core/log",
  "@redis/client": "app/broker/redis/",
};

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) yield* sources(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

/** Returns the specifiers that a file imports or exports from, static or dynamic. */
function specifiers(text: string): string[] {
  const matches = text.matchAll(
    /(?:^|\n)(?:import|export)\b[^;"]*?from "([^"]+)"|import\("([^"]+)"\)/g,
  );
  return [...matches].map(([, from, dynamic]) => from ?? dynamic ?? "");
}

async function readGraph(...folders: readonly string[]): Promise<Map<string, string[]>> {
  const graph = new Map<string, string[]>();
  for (const folder of folders) {
    for await (const path of sources(folder)) {
      const url = new URL(path, root);
      const imports = specifiers(await Deno.readTextFile(url)).map((specifier) =>
        specifier.startsWith(".") ? new URL(specifier, url).href.slice(root.href.length) : specifier
      );
      graph.set(path, imports);
    }
  }
  return graph;
}

/** Returns one cycle as a path that ends where it begins. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (finished.has(path)) return [];
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle.length > 0) return cycle;
    }
    finished.add(path);
    return [];
  };
  return [...graph.keys()].map((path) => visit(path, [])).find((cycle) => cycle.length > 0) ?? [];
}

Deno.test("app, static/client and tests have no import cycles", async () => {
  const graph = await readGraph("app/", "static/client/", "tests/");
  // Imports are found even if they span lines, are type-only or dynamic.
  assert(graph.get("app/chat/log_reader.ts")?.includes("app/chat/session.ts"));
  assert(
    [...graph.values()].some((imports) => imports.includes("static/client/words/words_de.ts")),
  );
  assertEquals(findCycle(graph), []);
  assertEquals(findCycle(new Map([["a", ["b"]], ["b", ["c", "npm"]], ["c", ["b"]]])), [
    "b",
    "c",
    "b",
  ]);
});

Deno.test("each folder imports only the folders that the architecture allows", async () => {
  const violations: string[] = [];
  for (const [path, imports] of await readGraph("app/", "static/client/")) {
    const [folder, allowed] = Object.entries(rules).find(([folder]) => path.startsWith(folder)) ??
      ["", []];
    for (const target of imports) {
      const isAllowed = /^(app|static)\//.test(target)
        ? [folder, ...allowed].some((prefix) => prefix !== "" && target.startsWith(prefix))
        : path.startsWith(packages[target] ?? "app/") && folder !== "app/protocol/" &&
          folder !== "app/chat/";
      if (!isAllowed) violations.push(`${path} imports ${target}`);
    }
  }
  assertEquals(violations, []);
});
