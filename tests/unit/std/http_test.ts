// The public API of @std/http. Every test passes on upstream's package too.

import { assert, assertEquals, assertFalse, assertMatch, assertThrows } from "@std/assert";
import {
  accepts,
  acceptsEncodings,
  acceptsLanguages,
  type Cookie,
  deleteCookie,
  eTag,
  getCookies,
  getSetCookies,
  ifMatch,
  ifNoneMatch,
  isClientErrorStatus,
  isErrorStatus,
  isInformationalStatus,
  isRedirectStatus,
  isServerErrorStatus,
  isStatus,
  isSuccessfulStatus,
  type ServerSentEventMessage,
  ServerSentEventStream,
  setCookie,
  STATUS_CODE,
  STATUS_TEXT,
  type StatusCode,
  UserAgent,
} from "@std/http";
import { STATUS_CODE as statusAlone } from "@std/http/status";
import { eTag as eTagAlone } from "@std/http/etag";
import { accepts as acceptsAlone } from "@std/http/negotiation";
import { getCookies as getCookiesAlone } from "@std/http/cookie";
import { ServerSentEventStream as StreamAlone } from "@std/http/server-sent-event-stream";
import { UserAgent as UserAgentAlone } from "@std/http/user-agent";

Deno.test("STATUS_CODE and STATUS_TEXT name every status", () => {
  const notFound: 404 = STATUS_CODE.NotFound;
  const text: "Not Found" = STATUS_TEXT[notFound];
  assertEquals([notFound, text], [404, "Not Found"]);
  for (const code of Object.values(STATUS_CODE)) assert(STATUS_TEXT[code].length > 0);
});

Deno.test("isStatus() and the other predicates classify status codes", () => {
  const status: number = 404;
  assert(isStatus(status));
  const code: StatusCode = status;
  assert(isClientErrorStatus(code) && isErrorStatus(code));
  assert(isInformationalStatus(101) && isSuccessfulStatus(204));
  assert(isRedirectStatus(304) && isServerErrorStatus(503));
  assertFalse(isStatus(499));
});

Deno.test("eTag() returns strong ETags for text and weak ones for files", async () => {
  const strong: string = await eTag("some");
  assertMatch(strong, /^"4-.+"$/);
  assertEquals(await eTag(new TextEncoder().encode("some")), strong);
  const weak: string | undefined = await eTag({ mtime: new Date(0), size: 16 });
  assertMatch(weak ?? "", /^W\/"10-.+"$/);
  assertEquals(await eTag({ mtime: null, size: 16 }), undefined);
});

Deno.test("ifMatch() and ifNoneMatch() compare an ETag with a header", () => {
  assert(ifMatch('"a", "b"', '"b"'));
  assertFalse(ifMatch(null, '"b"'));
  assertFalse(ifNoneMatch('"a", W/"b"', '"b"'));
  assert(ifNoneMatch(null, '"b"'));
});

Deno.test("accepts(), acceptsEncodings() and acceptsLanguages() return the client's preference", () => {
  const headers = new Headers({
    "accept": "text/html, application/json;q=0.5",
    "accept-encoding": "gzip, br;q=0.9",
    "accept-language": "de, en;q=0.7",
  });
  const all: string[] = accepts({ headers } as Request);
  assertEquals(all, ["text/html", "application/json"]);
  const request = new Request("http://localhost", { headers });
  const best: string | undefined = accepts(request, "application/json", "text/html");
  assertEquals(best, "text/html");
  assertEquals(accepts(request, "image/png"), undefined);
  assertEquals(acceptsEncodings(request, "br", "gzip"), "gzip");
  assertEquals(acceptsLanguages(request, "en", "de"), "de");
});

Deno.test("setCookie(), deleteCookie(), getCookies() and getSetCookies() agree", () => {
  const headers = new Headers();
  const cookie: Cookie = { name: "a", value: "1", httpOnly: true, sameSite: "Strict", path: "/" };
  setCookie(headers, cookie);
  assertEquals(getSetCookies(headers), [cookie]);
  deleteCookie(headers, "b", { path: "/" });
  assertEquals(getSetCookies(headers)[1]?.expires, new Date(0));
  const found = getCookies(new Headers({ cookie: "a=1; b=2" }));
  assertEquals([found["a"], found["b"]], ["1", "2"]);
  assertThrows(() => setCookie(headers, { name: "a;", value: "" }), SyntaxError);
});

Deno.test("ServerSentEventStream encodes events", async () => {
  const messages: ServerSentEventMessage[] = [{ event: "a", data: "b\nc", id: 1 }, {
    comment: "d",
  }];
  const stream = ReadableStream.from(messages).pipeThrough(new ServerSentEventStream());
  assertEquals(await new Response(stream).text(), "event:a\ndata:b\ndata:c\nid:1\n\n:d\n\n");
});

Deno.test("UserAgent detects the browser", () => {
  const agent = new UserAgent(
    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
  );
  const name: string | undefined = agent.browser.name;
  assertEquals([name, agent.browser.major, agent.os.name], ["Firefox", "130", "Linux"]);
  assertEquals(new UserAgent(null).browser.name, undefined);
});

Deno.test("@std/http exports the same names from its subpaths", () => {
  assert(statusAlone === STATUS_CODE && eTagAlone === eTag && acceptsAlone === accepts);
  assert(getCookiesAlone === getCookies && StreamAlone === ServerSentEventStream);
  assert(UserAgentAlone === UserAgent);
});
