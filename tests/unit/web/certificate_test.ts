// TLS certificates.

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { expiryOf, readCertificate } from "../../../app/web/certificate.ts";
import type { Certificate } from "../../../app/web/certificate.ts";
import { firstCertificate, secondCertificate } from "../../support/certificates.ts";
import { handshakeLines, readUntil, startSite, staticFolder } from "../../support/web_harness.ts";
import type { RunningSite } from "../../support/web_harness.ts";

/** Sends a request over TLS, trusting only one certificate. */
async function ask({ server }: RunningSite, { cert }: Certificate, lines: readonly string[]) {
  const connection = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [cert],
  });
  try {
    await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

async function readAll(connection: Deno.Conn): Promise<string> {
  return await new Response(connection.readable).text();
}

const getPage = ["GET /healthz HTTP/1.1", "Host: localhost", "Connection: close"];

Deno.test({
  name: "readCertificate() refuses a pipe instead of blocking on it",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using dir = await staticFolder();
    const path = `${dir.path}/cert.pem`;
    new Deno.Command("mkfifo", { args: [path] }).outputSync();
    assertThrows(() => readCertificate(path, path, "localhost"), Error, "it is a pipe");
  },
});

Deno.test("serveWeb() serves TLS if it has a certificate", async () => {
  await using running = await startSite({ certificate: firstCertificate, host: "localhost" });
  assertEquals(running.server.url, `https://localhost:${running.server.port}/`);
  const text = await readAll(await ask(running, firstCertificate, getPage));
  assertStringIncludes(text, "HTTP/1.1 200");
});

Deno.test("WebServer.renew() closes all sockets with 1012 and uses the new certificate on the same port", async () => {
  await using running = await startSite({ certificate: firstCertificate, host: "localhost" });
  const { hub, server } = running;
  const { port } = server;
  const before = await ask(running, firstCertificate, handshakeLines());
  await hub.until(({ connected }) => connected.length === 1);
  assertEquals(server.limits.count, 1);
  // A close frame with its length, 1012 and the reason.
  const closed = readUntil(before, "\x88\x06\x03\xf43000").then(() => before.close());
  await server.renew(secondCertificate, 3_000);
  await closed;
  assertEquals(server.port, port);
  await hub.until(({ codes }) => codes.length === 1);
  const after = await readAll(await ask(running, secondCertificate, getPage));
  assertStringIncludes(after, "HTTP/1.1 200");
  await assertRejects(() => ask(running, firstCertificate, getPage), Deno.errors.InvalidData);
  const again = await ask(running, secondCertificate, handshakeLines());
  await hub.until(({ connected }) => connected.length === 2);
  assertEquals(server.limits.count, 1);
  again.close();
  await hub.until(({ codes }) => codes.length === 2);
});

Deno.test("readCertificate() accepts a certificate with its key, and throws for others with the reason", async () => {
  await using dir = await staticFolder({
    "one.pem": firstCertificate.cert,
    "one.key": firstCertificate.key,
    "both.pem": firstCertificate.key + firstCertificate.cert,
    "two.key": secondCertificate.key,
    "half.pem": firstCertificate.cert.slice(0, 300),
    "empty.key": "",
    "sealed.key": firstCertificate.key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"),
  });
  const read = (cert: string, key: string) =>
    readCertificate(`${dir.path}/${cert}`, `${dir.path}/${key}`, "127.0.0.1");
  for (const [cert, key] of [["one.pem", "one.key"], ["both.pem", "both.pem"]] as const) {
    assertEquals(read(cert, key).cert, firstCertificate.cert.trimEnd());
  }
  for (
    const [cert, key, message] of [
      ["one.pem", "two.key", "the key belongs to another certificate"],
      [
        "half.pem",
        "one.key",
        `Cannot use TLS_CERT="${dir.path}/half.pem" with TLS_KEY="${dir.path}/one.key": `,
      ],
      ["one.key", "one.key", "TLS_CERT must be a PEM file with the certificate"],
      ["one.pem", "empty.key", "TLS_KEY must be a PEM file with the private key"],
      ["one.pem", "sealed.key", "the key has a passphrase; remove it with openssl pkey"],
      ["none.pem", "one.key", `Cannot use TLS_CERT="${dir.path}/none.pem": No such file`],
    ] as const
  ) assertThrows(() => read(cert, key), Error, message);
});

Deno.test("expiryOf() returns when a certificate expires, from three days before", () => {
  const expires = Date.parse("2126-10-31T02:12:29Z");
  assertEquals(expiryOf(firstCertificate, expires - 73 * 3_600_000), undefined);
  for (const now of [expires - 71 * 3_600_000, expires + 1]) {
    assertEquals(expiryOf(firstCertificate, now), new Date(expires).toISOString());
  }
});
