// Routes and methods.

import { assertEquals, assertThrows } from "@std/assert";
import { peerAddress } from "../../../app/web/peer.ts";
import { readOnly, Router } from "../../../app/web/router.ts";
import type { Routes } from "../../../app/web/router.ts";

/** Returns the handler's response, or the status and Allow header of a problem. */
async function route(routes: Routes, method: string, pathname: string) {
  const request = new Request(`http://localhost${pathname}`, { method });
  const exchange = {
    request,
    url: new URL(request.url),
    pathname,
    peer: "192.0.2.1",
    client: peerAddress("192.0.2.2"),
    accessCode: undefined,
    completed: Promise.resolve(),
  };
  const result = await new Router(routes).handle(exchange);
  if (!(result instanceof Response)) return [result.status, result.headers?.allow];
  return result.status === 200 ? await result.text() : [result.status, result.headers.get("allow")];
}

const routes: Routes = {
  "/": readOnly(() => new Response("page")),
  "/r/lobby": readOnly(() => new Response("lobby")),
  "/r/{room}": readOnly(({ params }) => new Response(`room ${params.room}`)),
  "/assets/{file}": readOnly(({ params }) => new Response(params.file)),
  "/a.b": { POST: ({ client, peer }) => new Response(`${client.address} ${peer}`) },
};

Deno.test("Router.handle() calls the first route that matches, with its parameters", async () => {
  assertEquals(await route(routes, "GET", "/"), "page");
  assertEquals(await route(routes, "GET", "/r/lobby"), "lobby");
  assertEquals(await route(routes, "GET", "/r/tea-4-two"), "room tea-4-two");
  assertEquals(await route(routes, "HEAD", "/assets/main.js"), "main.js");
  assertEquals(await route(routes, "POST", "/a.b"), "192.0.2.2 192.0.2.1");
});

Deno.test("Router.handle() returns 404 for any other path", async () => {
  for (const path of ["/r/", "/r/Tea", "/r/a/b", "/r/a%62", "/assets/", "/assets/a/b", "/aXb"]) {
    assertEquals(await route(routes, "GET", path), [404, undefined], path);
  }
});

Deno.test("Router.handle() returns 405 with the route's methods in Allow", async () => {
  assertEquals(await route(routes, "DELETE", "/"), [405, "GET, HEAD, OPTIONS"]);
  assertEquals(await route(routes, "GET", "/a.b"), [405, "POST, OPTIONS"]);
  assertEquals(await route(routes, "constructor", "/a.b"), [405, "POST, OPTIONS"]);
});

Deno.test("Router.handle() supports OPTIONS on every route", async () => {
  assertEquals(await route(routes, "OPTIONS", "/"), [204, "GET, HEAD, OPTIONS"]);
  assertEquals(await route(routes, "OPTIONS", "/a.b"), [204, "POST, OPTIONS"]);
  assertEquals(await route(routes, "OPTIONS", "/nothing"), [404, undefined]);
  // Deno's path for `OPTIONS *`.
  assertEquals(await route(routes, "OPTIONS", "/*"), [204, "GET, HEAD, POST, OPTIONS"]);
  assertEquals(await route(routes, "GET", "/*"), [404, undefined]);
});

Deno.test("new Router() throws for an unknown parameter", () => {
  const routes = { "/x/{who}": readOnly(() => new Response()) };
  assertThrows(() => new Router(routes), Error, "Cannot route /x/{who}");
});
