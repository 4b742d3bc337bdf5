// Requests of commands to a running server.

import { assert, assertRejects } from "@std/assert";
import { checkHealth } from "../../../app/commands/own_server.ts";
import { firstCertificate } from "../../support/certificates.ts";
import { freePort } from "../../support/free_port.ts";
import { startSite, testAssets } from "../../support/web_harness.ts";

Deno.test("checkHealth() takes the address of a chat below a path, with and without a slash", async () => {
  await using site = await startSite({ assets: { ...await testAssets(), basePath: "/chat" } });
  const origin = `http://127.0.0.1:${site.server.port}`;
  for (const path of ["", "/", "/healthz", "/chat", "/chat/", "/chat/healthz"]) {
    await checkHealth(`${origin}${path}`, false);
  }
  const wrong = `${origin}/talk`;
  await assertRejects(
    () => checkHealth(wrong, false),
    Error,
    `${wrong} is not healthy: status 404`,
  );
});

Deno.test("checkHealth() verifies the certificate of every server but its own", async () => {
  await using site = await startSite({ certificate: firstCertificate, host: "localhost" });
  const url = `https://localhost:${site.server.port}/`;
  await checkHealth(url, true);
  await assertRejects(() => checkHealth(url, false), Error, "certificate");
});

Deno.test("checkHealth() says so if the server speaks only https", async () => {
  await using site = await startSite({ certificate: firstCertificate, host: "localhost" });
  const url = `http://localhost:${site.server.port}/`;
  await assertRejects(
    () => checkHealth(url, true),
    Error,
    "use https, or its TLS_CERT and TLS_KEY",
  );
});

Deno.test("checkHealth() says so if the server does not use TLS", async () => {
  await using site = await startSite();
  const url = `https://127.0.0.1:${site.server.port}/`;
  for (const isOwn of [true, false]) {
    await assertRejects(() => checkHealth(url, isOwn), Error, "the server does not use TLS");
  }
});

Deno.test("checkHealth() names only the reason if a certificate is not trusted", async () => {
  await using site = await startSite({ certificate: firstCertificate, host: "localhost" });
  const url = `https://localhost:${site.server.port}/`;
  await assertRejects(
    () => checkHealth(url, false),
    Error,
    `Cannot reach ${url}: invalid peer certificate`,
  );
});

Deno.test("checkHealth() asks its own server directly, whatever HTTP_PROXY says", async () => {
  await using site = await startSite();
  const module = new URL("../../../app/commands/own_server.ts", import.meta.url);
  const url = `http://127.0.0.1:${site.server.port}/`;
  const code = `import { checkHealth } from "${module}"; await checkHealth("${url}", true);`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", code],
    env: { HTTP_PROXY: `http://127.0.0.1:${freePort()}` },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
});
