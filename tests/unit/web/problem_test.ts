// Errors over HTTP.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { notFound, problemResponse } from "../../../app/web/problem.ts";
import type { Problem } from "../../../app/web/problem.ts";

const chat = { title: "Parley", basePath: "/chat" };

async function pageOf(problem: Problem, languages?: string): Promise<string> {
  const headers = { accept: "text/html", ...(languages && { "accept-language": languages }) };
  const response = problemResponse(problem, new Request("http://localhost/", { headers }), chat);
  assertStringIncludes(response.headers.get("vary") ?? "", "Accept-Language");
  return await response.text();
}

Deno.test("problemResponse() uses the browser's preferred language", async () => {
  for (const languages of ["de", "de-AT,de;q=0.9,en;q=0.8", "fr, de;q=0.9, en;q=0.5"]) {
    const page = await pageOf(notFound, languages);
    assertStringIncludes(page, '<html lang="de">', languages);
    assertStringIncludes(page, "Unter dieser Adresse gibt es nichts.");
    assertStringIncludes(page, '<a class="link" href="/chat/">Zum Chat</a>');
  }
  for (
    const languages of [undefined, "en-GB,de;q=0.5", "fr", "de;q=0", `de,${"x,".repeat(1_000)}`]
  ) {
    const page = await pageOf(notFound, languages);
    assertStringIncludes(page, '<html lang="en">', languages);
    assertStringIncludes(page, "There is nothing at this address.");
  }
});

Deno.test("problemResponse() says in German that a method is not allowed", async () => {
  const detail = "This address only supports GET, HEAD, OPTIONS";
  const page = await pageOf({ status: 405, code: "method_not_allowed", detail }, "de");
  assertStringIncludes(page, '<html lang="de">');
  assertStringIncludes(page, "Diese Adresse lässt sich so nicht aufrufen.");
});

Deno.test("problemResponse() falls back to English for problems that only programs see", async () => {
  const problem: Problem = { status: 406, code: "not_acceptable", detail: "No such type" };
  const page = await pageOf(problem, "de");
  assertStringIncludes(page, '<html lang="en">');
  assertStringIncludes(page, "No such type.");
});

Deno.test("problemResponse() escapes the detail in a page", async () => {
  const detail = "This chat does not know the host <img src=x>";
  const page = await pageOf({ status: 421, code: "host_denied", detail });
  assertStringIncludes(page, "the host &#60;img src=x&#62;.");
});

Deno.test("problemResponse() links to the suggested room, in German too", async () => {
  const page = await pageOf({ ...notFound, room: "my-room" }, "de");
  assertStringIncludes(page, '<a class="link" href="/chat/r/my-room">Zu #my-room</a>');
});

Deno.test("problemResponse() gives programs English, whatever their language", async () => {
  const headers = { "accept-language": "de" };
  const response = problemResponse(notFound, new Request("http://localhost/", { headers }), chat);
  const { title, detail } = await response.json();
  assertEquals([title, detail], ["Not Found", "There is nothing at this address"]);
  assert(response.headers.get("content-type")?.startsWith("application/problem+json"));
});
