// The servers that the benchmark compares: how to start each and how to talk to it.

import type { Plan } from "./load.ts";

const root = new URL("../", import.meta.url).pathname;
/** Where npm installs the peers. */
const peersDir = `${root}bench/peers`;
/** Debian's Python, which has the packages of FastAPI. */
const python = "/usr/bin/python3";

/** How to start a server and how to talk to it. */
export interface Server {
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly path: string;
  readonly templates: Pick<Plan, "protocol" | "join" | "message" | "heartbeat">;
}

/**
 * Returns the servers by name. They listen on `port`, write to `dir`, and receive messages with
 * `padding` characters after the token.
 */
export function serversFor(
  dir: string,
  port: number,
  padding: number,
): Readonly<Record<string, Server>> {
  const env = { PORT: String(port), DATA_DIR: dir };
  const plain = { env, path: "/r%r", templates: { join: [], message: "%s" } };
  const deno = (script: string): Server["command"] => [
    Deno.execPath(),
    ..."run -q --no-check -A".split(" "),
    `${root}bench/${script}`,
  ];
  const message = '{"type":"message","room":"r%r","text":"%s","nonce":"n%n"}';
  return {
    parley: {
      command: [
        Deno.execPath(),
        ..."run -q --no-prompt -P=start".split(" "),
        `--allow-read=${root},${dir}`,
        `--allow-write=${dir}`,
        `${root}main.ts`,
      ],
      env: {
        ...env,
        HOST: "127.0.0.1",
        LOG_DIR: `${dir}/logs`,
        RATE_PER_SECOND: "0",
        MAX_CONNECTIONS: "20000",
      },
      path: "/ws",
      templates: {
        protocol: "parley.v1",
        join: ['{"type":"hello","username":"u%d","rooms":[{"room":"r%r"}]}'],
        message,
        heartbeat: ["[]", '{"type":"pong"}'],
      },
    },
    bare: { ...plain, command: deno("floors/bare.ts") },
    durable: { ...plain, command: deno("floors/durable.ts"), templates: { join: [], message } },
    bun: {
      ...plain,
      command: [`${peersDir}/node_modules/bun/bin/bun.exe`, `${peersDir}/bun.ts`],
    },
    nats: {
      command: ["nats-server", "-c", `${peersDir}/nats.conf`],
      env: { LISTEN: `127.0.0.1:${port}` },
      path: "/",
      templates: {
        join: ['CONNECT {"verbose":false,"pedantic":false}\r\nSUB r%r 1\r\n'],
        message: `PUB r%r ${tokenLength + padding}\r\n%s\r\n`,
      },
    },
    ws: { ...plain, command: ["node", `${peersDir}/ws.mjs`] },
    socket_io: {
      command: ["node", `${peersDir}/socket_io.mjs`],
      env,
      path: "/socket.io/?EIO=4&transport=websocket&room=r%r",
      templates: { join: ["40"], message: '42["say","%s"]', heartbeat: ["2", "3"] },
    },
    deno: { ...plain, command: deno("peers/deno.ts") },
    fastapi: { ...plain, command: [python, `${peersDir}/fast_api.py`] },
  };
}

/** Length of the token that receivers count. */
const tokenLength = 30;

/** Returns the names of the servers that can run here. Installs those from npm. */
export async function installServers(): Promise<string[]> {
  if (!await succeeds("npm", ["install", "--no-audit", "--no-fund", "--silent"], peersDir)) {
    throw new Error(`Cannot install the peers: npm install failed in ${peersDir}`);
  }
  const hasNats = await succeeds("nats-server", ["--version"]);
  const hasFastApi = await succeeds(python, ["-c", "import fastapi, uvicorn, websockets"]);
  return [
    ..."parley,durable,bare,bun".split(","),
    ...(hasNats ? ["nats"] : []),
    ..."ws,socket_io,deno".split(","),
    ...(hasFastApi ? ["fastapi"] : []),
  ];
}

async function succeeds(program: string, args: readonly string[], cwd = root): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: [...args],
      cwd,
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}
