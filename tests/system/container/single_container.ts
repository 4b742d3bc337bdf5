// One container with its own database, as `docker-compose up` starts it.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ContainerClient } from "./container_client.ts";
import { Compose, noCapabilities } from "./compose.ts";
import type { Engine } from "./engine.ts";
import { freePort } from "../../support/free_port.ts";
import { assertPage } from "./container_target.ts";

export async function testSingleContainer(t: Deno.TestContext, engine: Engine): Promise<void> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}/`;
  const compose = new Compose(engine, { PORT: String(port) });
  const chat = () => compose.container("chat");

  await t.step("builds, starts and becomes healthy", async () => {
    await compose.run("up", "--build", "-d");
    await compose.untilHealthy(await chat());
  });

  await t.step("serves the page", () => assertPage(url));

  await t.step("delivers messages between two clients", async () => {
    await using ada = await ContainerClient.join(url, "Ada");
    await using ben = await ContainerClient.join(url, "Ben");
    ada.send("Good morning");
    await ben.waitForText("Good morning");
  });

  await t.step("shows the access log of the running container", async () => {
    const accessLog = compose.follow(
      /GET \/healthz\?tail .* 200/,
      ..."exec -T chat tail -f /app/logs/access.log".split(" "),
    );
    await (await fetch(`${url}healthz?tail`)).body?.cancel();
    assertMatch(await accessLog, /"GET \/healthz\?tail HTTP\/1\.1" 200 2 /);
  });

  await t.step("shows all three logs in docker-compose logs -f", async () => {
    await (await fetch(url, { headers: { "x-forwarded-for": "203.0.113.9" } })).body?.cancel();
    const all = /^(?=[^]*"GET \/ HTTP)(?=[^]*event=message)(?=[^]*event=untrusted_proxy)/;
    assertMatch(await compose.follow(all, "logs", "-f", "--no-color"), all);
  });

  await t.step("runs as deno, without capabilities, on a read-only file system", async () => {
    const id = await chat();
    assertEquals(await compose.confinement(id), {
      uid: 1993,
      capabilities: noCapabilities,
      boundingSet: noCapabilities,
      noNewPrivileges: true,
      readOnly: true,
      memoryBytes: 2 ** 30,
      maxThreads: 256,
    });
    assertMatch(await compose.touchError(id, "/app/x"), /Read-only file system/);
    const list = "find static/client -type f; find / -name '*esbuild*' 2>/dev/null; true";
    const found = (await compose.exec(id, "sh", "-c", list)).split("\n");
    assertEquals(found.filter((name) => name !== "").toSorted(), [
      "static/client/deno.json",
      "static/client/worker/deno.json",
    ]);
  });

  await t.step("keeps every message across down and up", async () => {
    await compose.run("down");
    await compose.run("up", "-d");
    await compose.untilHealthy(await chat());
    await using ida = await ContainerClient.join(url, "Ida");
    assertEquals(ida.texts, ["Good morning"]);
  });

  await t.step("backs up, and restores a backup copied into the container", async () => {
    const id = await chat();
    assertMatch(await compose.run("exec", "-T", "chat", "parley", "backup", "data/b.db"), /Copied/);
    await engine.run("docker", "cp", `${id}:/app/data/b.db`, `${engine.dir}/b.db`);
    assertStringIncludes(
      await compose.run("exec", "-T", "chat", "parley", "export", "lobby"),
      "morn",
    );
    await compose.run("stop", "chat");
    const copyIn = "run --rm -T --entrypoint sh chat -c";
    const line = `docker-compose ${copyIn} 'cat > data/in.db' < ${engine.dir}/b.db`;
    await engine.run("env", `PORT=${port}`, "sh", "-c", line);
    const restored = await compose.run("run", "--rm", "-T", "chat", "restore", "data/in.db");
    assertStringIncludes(restored, "the previous database is now");
    await compose.run("start", "chat");
    await compose.untilHealthy(id);
    await using eve = await ContainerClient.join(url, "Eve");
    assertEquals(eve.texts, ["Good morning"]);
  });

  await t.step("closes connections with 1012, and exits with status 0 on stop", async () => {
    const socket = new WebSocket(new URL("ws", url.replace("http", "ws")));
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
    await compose.run("stop");
    assertEquals((await closed).code, 1012);
    assertEquals(await compose.inspect(await chat(), "{{.State.ExitCode}}"), "0");
    await compose.run("down", "-v");
  });

  await t.step("accepts flags, and the health check uses them too", async () => {
    const flags = "--port 9000 --base-path /chat --rate-burst 5".split(" ");
    const options = "run -d --init --read-only --tmpfs /tmp --cap-drop ALL".split(" ");
    const id = (await engine.run("docker", ...options, "parley", ...flags)).trim();
    await compose.untilHealthy(id);
    const { stdout, stderr } = await engine.try("docker", "logs", id);
    assertEquals(stdout + stderr, "Parley is running at http://localhost:9000/chat/\n");
    assertEquals(await compose.exec(id, "cat", "/app/logs/access.log"), "");
    await engine.run("docker", "rm", "-f", "-v", id);
  });

  await t.step("prints its version and its help", async () => {
    const version = await engine.run("docker", "run", "--rm", "parley", "--version");
    const label = '{{index .Config.Labels "org.opencontainers.image.version"}}';
    assertEquals(version.trim(), `parley ${await compose.inspect("parley", label)}`);
    assertStringIncludes(await engine.run("docker", "run", "--rm", "parley", "--help"), "--port");
  });

  await t.step("names the owner of a folder it cannot write to", async () => {
    const mount = ["-v", `${engine.dir}/foreign:/app/data`];
    const { success, stdout, stderr } = await engine.try(
      "docker",
      "run",
      "--rm",
      ...mount,
      "parley",
    );
    assertEquals(success, false);
    assertMatch(stdout + stderr, /data belongs to user 0, but this process runs as user 1993/);
  });

  await t.step("starts without a network", async () => {
    const options = "run -d --network none --read-only --tmpfs /tmp --cap-drop ALL --memory 256m";
    const id = (await engine.run("docker", ...options.split(" "), "parley")).trim();
    await compose.untilHealthy(id);
    await engine.run("docker", "rm", "-f", "-v", id);
  });
}
