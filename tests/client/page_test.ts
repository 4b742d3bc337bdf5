import { assertEquals } from "@std/assert";

const root = new URL("../../static/", import.meta.url);

Deno.test("byId() knows of each element what the page's file says that it is", async () => {
  const html = await Deno.readTextFile(new URL("index.html", root));
  const source = await Deno.readTextFile(new URL("client/dom.ts", root));
  const tags = new Map(
    [...html.matchAll(/<(\w+)[^>]*?\sid="([^"]+)"/g)].map(([, tag, id]) => [id, tag]),
  );
  const [list = ""] = /interface PageTags \{[^}]*/.exec(source) ?? [];
  const known = [...list.matchAll(/readonly "?([\w-]+)"?: "(\w+)"/g)];
  assertEquals(known.map(([, id]) => tags.get(id)), known.map(([, , tag]) => tag));
  assertEquals(known.length > 30, true);
});
