// static/openapi.json: a valid description that matches the server's behavior.

import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix -- only this test uses it
import { Validator } from "npm:@seriousme/openapi-schema-validator@2.11.0";
// deno-lint-ignore no-import-prefix -- only this test uses it
import { Ajv2020 } from "npm:ajv@8.20.0/dist/2020.js";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { loadAssets } from "../../../app/web/assets.ts";
import { request, startRoomSite, storeMessages } from "../../support/room_site.ts";
import type { RoomSite } from "../../support/room_site.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";
import { staticFolder } from "../../support/web_harness.ts";

interface Description {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}
interface Operation {
  readonly responses?: Record<string, {
    readonly content?: Record<string, { readonly schema: object }>;
    readonly headers?: Record<string, { readonly required?: boolean }>;
  }>;
}

const text = await Deno.readTextFile(new URL("../../../static/openapi.json", import.meta.url));
const validator = new Validator();
const validity = await validator.validate(JSON.parse(text));
const { paths } = validator.resolveRefs() as unknown as Description;
const ajv = new Ajv2020({ strict: false });

Deno.test("openapi.json is a valid OpenAPI 3.1 description", async () => {
  assertEquals([validity.valid, validator.version], [true, "3.1"]);
  const broken = JSON.parse(text);
  delete broken.info.title;
  assertEquals((await new Validator().validate(broken)).valid, false);
});

Deno.test("openapi.json describes the methods that each address allows", async () => {
  await using site = await startRoomSite();
  for (const [path, operations] of Object.entries(paths)) {
    const target = path.replace("{room}", "tea").replace("{offset}", "1");
    const { headers } = await request(site, target, { method: "OPTIONS" });
    const methods = Object.keys(operations).filter((key) => key !== "parameters")
      .map((key) => key.toUpperCase());
    const all = new Set([...(operations.get === undefined ? [] : ["HEAD"]), "OPTIONS", ...methods]);
    assertEquals(new Set(headers.get("allow")?.split(", ")), all, path);
  }
});

/** Returns a function that checks a response, and the methods and statuses that it has seen. */
function checkerOf(site: RoomSite) {
  const seen = new Set<string>();
  const check = async (
    template: string,
    method: string,
    init: RequestInit = {},
    target = template.replace("{room}", "tea").replace("{offset}", "2"),
  ) => {
    const response = await request(site, target, { ...init, method: method.toUpperCase() });
    const { status, headers } = response;
    const name = `${method} ${target} ${status}`;
    const expected = paths[template]?.[method]?.responses?.[status];
    assert(expected !== undefined, name);
    seen.add(`${method} ${status}`);
    for (const [header, { required = false }] of Object.entries(expected.headers ?? {})) {
      assert(!required || headers.has(header), `${name} has ${header}`);
    }
    const type = headers.get("content-type")?.replace(/;.*/, "");
    if (expected.content === undefined) return assertEquals(response.text, "", name);
    const schema = expected.content[type ?? ""]?.schema;
    assert(schema !== undefined, `${name} as ${type}`);
    const validate = ajv.compile(schema);
    assert(validate(response.json ?? response.text), `${name} ${ajv.errorsText(validate.errors)}`);
  };
  return { check, seen };
}

const credentials = `Basic ${btoa(`ci:${"c".padEnd(43, "-")}`)}`;

function write(body: string | null, headers: Record<string, string> = {}) {
  return { body, headers: { authorization: credentials, ...headers } };
}

Deno.test("openapi.json describes the server's responses to moderators", async () => {
  const broker = new SqliteBroker({ ...optionsFor(":memory:"), moderatorMac: (id) => id });
  const moderatorAccess = (code: string) => code === "right";
  await using site = await startRoomSite({ ports: { broker, moderatorAccess } });
  const { check, seen } = checkerOf(site);
  const commands = [
    { type: "moderate", code: "wrong" },
    { type: "sanctions" },
    { type: "moderate", code: "right" },
    { type: "mute", member: "ada", seconds: 60 },
    { type: "neighbors", member: "ada" },
    { type: "lift", id: 7 },
    { type: "dance" },
  ];
  for (const command of commands) {
    await check("/moderate", "post", write(JSON.stringify(command)));
  }
  assertEquals([...seen], [401, 403, 204, 200, 404, 422].map((status) => `post ${status}`));
});

Deno.test("openapi.json describes the server's responses", async () => {
  await using site = await startRoomSite({ settings: { rateBurst: 5 } });
  const { check, seen } = checkerOf(site);
  const [room, entry] = ["/r/{room}", "/r/{room}/{offset}"];
  await storeMessages(site, "tea", "one", "two");
  await check(room, "get");
  await check(room, "get", { headers: { accept: "text/plain" } });
  await check(room, "get", {}, "/r/tea?after=other:1");
  await check(room, "get", {}, "/r/tea?limit=0");
  await check(room, "get", { headers: { accept: "image/png" } });
  await check(room, "get", { headers: { origin: "null" } });
  await check(room, "get", { headers: { "if-none-match": "*" } });
  await check(entry, "get");
  await check(entry, "get", {}, "/r/tea/9");
  await check(room, "post", write("three"));
  await check(room, "post", { body: "x" });
  await check(room, "post", { body: "x", headers: { authorization: "Bearer x" } });
  await check(room, "post", write(""));
  await check(room, "post", write("x".repeat(70_000)));
  await check(room, "post", write("x", { "content-encoding": "gzip" }));
  await check(entry, "patch", write("x"));
  await check(entry, "patch", write("four"), "/r/tea/3");
  await check(entry, "delete", write(null), "/r/tea/3");
  await check(entry, "delete", write(null), "/r/tea/3");
  await check("/search", "get", {}, "/search?q=two");
  await check("/search", "get", {}, "/search?q=two&before=x");
  // An edit and a deletion are entries too.
  await check(room, "get");
  for (let i = 0; i < 5 && !seen.has("post 429"); i++) await check(room, "post", write("x"));
  site.broker.isFailing = true;
  await check(room, "get");
  await check(room, "post", write("x"));
  for (
    const name of ["get 200", "get 304", "get 422", "get 503", "post 201", "post 401", "post 429"]
  ) assert(seen.has(name), name);
});

Deno.test("serveWeb() serves the description at /openapi.json", async () => {
  await using dir = await staticFolder({ "openapi.json": text });
  const assets = await loadAssets({ staticDir: dir.path, dev: false, basePath: "", bundled: true });
  await using site = await startRoomSite({ web: { assets } });
  const { status, headers, json } = await request(site, "/openapi.json");
  assertEquals([status, headers.get("content-type")], [200, "application/json"]);
  assertEquals(json.openapi, "3.1.1");
});
