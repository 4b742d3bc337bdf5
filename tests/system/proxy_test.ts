// The proxy configurations in docs/examples, each run by the real proxy if it is installed. With
// NGINX=1, CADDY=1, APACHE2=1 or HAPROXY=1, a missing proxy fails the test, and the proxy must also
// keep an idle connection for longer than nginx does by default.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { idleHeartbeatMs } from "../../app/chat/heartbeats.ts";
import { loadAssets } from "../../app/web/assets.ts";
import { freePort } from "../support/free_port.ts";
import { ServerProcess } from "../support/server_process.ts";
import { rawRequest, startSite, staticFolder } from "../support/web_harness.ts";

const root = new URL("../../", import.meta.url).pathname;
const spoof = { "x-forwarded-for": "198.51.100.66", forwarded: "for=198.51.100.66" };

/** How to start a proxy with its configuration, adapted only as a user would adapt it. */
interface Proxy {
  readonly program: string;
  readonly file: string;
  /**
   * Adapts `text` to the proxy's address, Parley's address, the base path and a folder for
   * temporary files.
   */
  configure(text: string, listen: string, parley: string, path: string, dir: string): string;
  args(config: string, dir: string): string[];
  /** A part of its output that shows it is listening. */
  readonly ready: string;
}

const nginx: Proxy = {
  program: "nginx",
  file: "nginx.conf",
  configure(text, listen, parley, path, dir) {
    const server = text
      .replace("listen 443 ssl;", `listen ${listen};`)
      .replace(/ +ssl_certificate.*\n/g, "")
      .replace("127.0.0.1:8000", parley)
      .replace("location / {", `location ${path}/ {`);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${dir}/${name};`);
    return `daemon off; pid ${dir}/pid; error_log stderr notice; events {}
      http { access_log off; ${temporary.join(" ")} ${server} }`;
  },
  args: (config, dir) => ["-p", dir, "-c", config, "-e", "stderr"],
  ready: "start worker process",
};

const caddy: Proxy = {
  program: "caddy",
  file: "Caddyfile",
  configure(text, listen, parley, path) {
    const inside = `reverse_proxy ${parley}`;
    return "{\n admin off\n auto_https off\n}\n" + text
      .replace("\nchat.example.org {", `\nhttp://${listen} {`)
      .replace(
        "\treverse_proxy 127.0.0.1:8000",
        path === "" ? inside : `handle ${path}/* {\n${inside}\n}\nredir ${path} ${path}/`,
      );
  },
  args: (config) => ["run", "--adapter", "caddyfile", "--config", config],
  ready: "serving initial configuration",
};

const apache: Proxy = {
  program: "apache2",
  file: "apache.conf",
  configure(text, listen, parley, path, dir) {
    const modules = ["mpm_event", "authz_core", "proxy", "proxy_http"]
      .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`);
    const site = text
      .replace("<VirtualHost *:443>", `<VirtualHost ${listen}>`)
      .replace(/ +SSL.*\n/g, "")
      .replace(
        "ProxyPass / http://127.0.0.1:8000/",
        path === "" ? `ProxyPass / http://${parley}/` : `ProxyPass ${path} http://${parley}${path}`,
      );
    return `${modules.join("")}ServerName localhost
      PidFile ${dir}/pid\nDefaultRuntimeDir ${dir}\nMutex file:${dir}\nErrorLog /dev/stderr
      User www-data\nGroup www-data\nListen ${listen}\n${site}`;
  },
  args: (config) => ["-D", "FOREGROUND", "-f", config],
  ready: "resuming normal operations",
};

const haproxy: Proxy = {
  program: "haproxy",
  file: "haproxy.cfg",
  configure(text, listen, parley, path) {
    const site = text
      .replace(/bind :443 .*/, `bind ${listen}`)
      .replace("server parley 127.0.0.1:8000", `server parley ${parley}`);
    if (path === "") return site;
    const rule = `use_backend parley if { path_beg ${path}/ } || { path ${path} }`;
    return site.replace("default_backend parley", rule);
  },
  args: (config) => ["-W", "-db", "-f", config],
  ready: "Loading success",
};

for (const proxy of [nginx, caddy, apache, haproxy]) {
  const { program, file } = proxy;
  const isRequired = Deno.env.get(program.toUpperCase()) === "1";
  const ignore = !isRequired && !isInstalled(program);

  Deno.test({
    name:
      `docs/examples/${file} makes ${program} pass on upgrades, the host and the client's address`,
    ignore,
    fn: () => checkSite(proxy, ""),
  });

  Deno.test({
    name: `docs/examples/${file} makes ${program} serve the chat below a path, with BASE_PATH`,
    ignore,
    fn: () => checkSite(proxy, "/chat"),
  });

  Deno.test({
    name: `docs/examples/${file} makes ${program} keep an idle connection for 75 s`,
    ignore: !isRequired,
    fn: () => checkIdle(proxy),
  });
}

const timeouts: Readonly<Record<string, RegExp>> = {
  "nginx.conf": /proxy_(?:read|send)_timeout (\d+)s;/g,
  "apache.conf": / timeout=(\d+)/g,
  "haproxy.cfg": /timeout (?:client|server|tunnel) (\d+)s/g,
};
for (const [file, pattern] of Object.entries(timeouts)) {
  Deno.test(`docs/examples/${file} waits for at least two heartbeats [P8]`, async () => {
    const text = await Deno.readTextFile(`${root}docs/examples/${file}`);
    const found = [...text.matchAll(pattern)].map(([, seconds]) => Number(seconds) * 1000);
    assert(found.length > 0 && Math.min(...found) >= 2 * idleHeartbeatMs, String(found));
  });
}

async function checkSite(proxy: Proxy, path: string): Promise<void> {
  await using files = await staticFolder();
  const assets = await loadAssets({
    staticDir: files.path,
    dev: false,
    basePath: path,
    bundled: true,
  });
  await using running = await startSite({ assets, trustProxy: 1 });
  await using front = await start(proxy, `127.0.0.1:${running.server.port}`, path);
  const { host } = front;
  // A client address that differs from the proxy's.
  using otherAddress = Deno.createHttpClient({ localAddress: "127.0.0.5" });
  const get = async (pathname: string) => {
    const response = await fetch(`http://${host}${pathname}`, {
      headers: spoof,
      client: otherAddress,
    });
    return { status: response.status, text: await response.text() };
  };

  const page = await get(`${path}/`);
  assertStringIncludes(page.text, "<title>Parley</title>");
  const [, script = ""] = /src="([^"]*)"/.exec(page.text) ?? [];
  assert(script.startsWith(`${path}/assets/`), script);
  assertEquals((await get(script)).status, 200);
  assertEquals((await get(`${path}/r/tea`)).status, 200);
  if (path !== "") assertStringIncludes((await get(path)).text, "<title>Parley</title>");
  assertEquals((await get(`${path}/metrics`)).status, 403);
  assertEquals(new Set(running.access.map(({ address }) => address)), new Set(["127.0.0.5"]));
  assertEquals(running.warnings, []);

  const headers = { origin: `http://${host}`, ...spoof };
  const socket = new WebSocket(`ws://${host}${path}/ws`, { protocols: ["parley.v1"], headers });
  const firstFrame = new Promise<string>((resolve) =>
    socket.addEventListener("message", ({ data }) => resolve(data), { once: true })
  );
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  await running.hub.until(({ connected }) => connected.length === 1);
  const [connection] = running.hub.connected;
  assertEquals(connection?.address, "127.0.0.1");
  connection?.socket.send(`["hello"]`);
  assertEquals(await firstFrame, `["hello"]`);
  assertEquals(socket.protocol, "parley.v1");
  socket.send("from outside");
  await running.hub.until(({ frames }) => frames.length === 1);
  connection?.socket.close(4005, "replaced");
  const { code, reason } = await closed;
  assertEquals([code, reason], [4005, "replaced"]);
  await running.hub.until(({ codes }) => codes.length === 1);

  const foreign = new WebSocket(`ws://${host}${path}/ws`, {
    headers: { origin: "http://evil.example" },
  });
  await new Promise((resolve) => foreign.addEventListener("close", resolve));
  assertEquals(running.access.at(-1)?.status, 403);

  if (proxy !== nginx) return;
  // `curl --http2 -d` offers an upgrade, which must not reach Deno: docs/deno-issues.md.
  const offer = await rawRequest(Number(new URL(`http://${host}`).port), [
    `POST ${path}/r/tea HTTP/1.0`,
    `Host: ${host}`,
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    "Content-Length: 2\r\n\r\nhi",
  ]);
  assertEquals(offer.status, 401);
}

async function checkIdle(proxy: Proxy): Promise<void> {
  await using dir = await staticFolder();
  const server = await ServerProcess.start(dir.path, { env: { TRUST_PROXY: "1" } });
  try {
    await using front = await start(proxy, `127.0.0.1:${server.port}`, "");
    const socket = new WebSocket(`ws://${front.host}/ws`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let heartbeats = 0;
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "hello", username: "Ada", rooms: [] }));
    });
    socket.addEventListener("message", ({ data }) => {
      if (data !== "[]") return;
      socket.send(`{"type":"pong"}`);
      if (++heartbeats === 3) resolve();
    });
    socket.addEventListener("close", ({ code }) => reject(new Error(`Closed with ${code}`)));
    await promise;
    socket.close();
  } finally {
    await server.end();
  }
}

/** Starts a proxy on a free port and waits until it listens. */
async function start(proxy: Proxy, parley: string, path: string) {
  const dir = await Deno.makeTempDir();
  const text = await Deno.readTextFile(`${root}docs/examples/${proxy.file}`);
  const host = `127.0.0.1:${freePort()}`;
  const config = `${dir}/config`;
  await Deno.writeTextFile(config, proxy.configure(text, host, parley, path, dir));
  const process = new Deno.Command(proxy.program, {
    args: proxy.args(config, dir),
    env: { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  let output = "";
  const read = async () => {
    for await (const part of process.stderr.pipeThrough(new TextDecoderStream())) {
      output += part;
      if (output.includes(proxy.ready)) resolve();
    }
    reject(new Error(`Cannot start ${proxy.program}: ${output}`));
  };
  const reading = read();
  await ready;
  const dispose = async () => {
    process.kill("SIGTERM");
    await process.status;
    await reading;
    await Deno.remove(dir, { recursive: true });
  };
  return { host, [Symbol.asyncDispose]: dispose };
}

function isInstalled(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}
