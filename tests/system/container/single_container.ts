// One container on its own storage, as `docker-compose up` starts it.

import { assertEquals, assertMatch } from "@std/assert";
import { Caller } from "./container_client.ts";
import { Compose, none } from "./compose.ts";
import type { Engine } from "./engine.ts";
import { assertPage, freePort } from "./container_target.ts";

export async function oneServer(t: Deno.TestContext, engine: Engine): Promise<void> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}/`;
  const compose = new Compose(engine, { PORT: String(port) });
  const chat = () => compose.container("chat");

  await t.step("builds, starts and turns healthy", async () => {
    await compose.run("up", "--build", "-d");
    await compose.healthy(await chat());
  });

  await t.step("serves the page", () => assertPage(url));

  await t.step("carries a chat", async () => {
    await using ada = await Caller.dial(url, "Ada");
    await using ben = await Caller.dial(url, "Ben");
    ada.say("Good morning");
    await ben.hears("Good morning");
  });

  await t.step("shows the access log of the running container", async () => {
    const tail = compose.follow(
      /GET \/healthz\?tail .* 200/,
      ..."exec -T chat tail -f /app/logs/access.log".split(" "),
    );
    await (await fetch(`${url}healthz?tail`)).body?.cancel();
    assertMatch(await tail, /"GET \/healthz\?tail HTTP\/1\.1" 200 2 /);
  });

  await t.step("shows all three logs in docker-compose logs -f", async () => {
    await (await fetch(url, { headers: { "x-forwarded-for": "203.0.113.9" } })).body?.cancel();
    const all = /^(?=[^]*"GET \/ HTTP)(?=[^]*event=message)(?=[^]*event=untrusted_proxy)/;
    assertMatch(await compose.follow(all, "logs", "-f", "--no-color"), all);
  });

  await t.step("runs as deno, with nothing that it does not need", async () => {
    const id = await chat();
    assertEquals(await compose.confinement(id), {
      uid: 1993,
      capabilities: none,
      reachable: none,
      noNewPrivileges: true,
      readOnly: true,
      memory: 2 ** 30,
    });
    assertMatch(await compose.refusal(id, "/app/x"), /Read-only file system/);
    const find = "ls static/client; find / -name '*esbuild*' 2>/dev/null; true";
    const here = (await compose.inside(id, "sh", "-c", find)).split("\n");
    assertEquals(here.filter((name) => name !== ""), ["deno.json"]);
  });

  await t.step("keeps every message over down and up", async () => {
    await compose.run("down");
    await compose.run("up", "-d");
    await compose.healthy(await chat());
    await using ida = await Caller.dial(url, "Ida");
    assertEquals(ida.texts, ["Good morning"]);
  });

  await t.step("stops by itself when it is told to", async () => {
    await compose.run("stop");
    assertEquals(await compose.inspect(await chat(), "{{.State.ExitCode}}"), "0");
    await compose.run("down", "-v");
  });

  await t.step("starts without a network", async () => {
    const alone = "run -d --network none --read-only --tmpfs /tmp --cap-drop ALL --memory 256m";
    const id = (await engine.run("docker", ...alone.split(" "), "parley")).trim();
    await compose.healthy(id);
    await engine.run("docker", "rm", "-f", "-v", id);
  });
}
