// Explains in a sentence why a Redis cannot be used, and how to fix it.

import { errorMessage } from "../../core/error_message.ts";

/** The first version whose scripts can have flags. */
const minVersion = 7;

/**
 * Returns the name of the typing channel. It names the database, because all databases of a Redis
 * share its channels.
 */
export function typingChannel(prefix: string, url: string): string {
  return `${prefix}typing:${new URL(url).pathname.slice(1) || "0"}`;
}

/** Returns an error that names the Redis at `url` and explains why it cannot be used. */
export function connectError(url: string, prefix: string, error: unknown): Error {
  // Not the whole URL, which may contain a password.
  const { host } = new URL(url);
  const reason = explain(url, prefix, error);
  return new Error(`Cannot use Redis at ${host}: ${reason}`, { cause: error });
}

function explain(url: string, prefix: string, error: unknown): string {
  const { protocol, username } = new URL(url);
  const message = errorMessage(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const denied = deniedRight(message, prefix, url);
  if (denied !== undefined) {
    const user = username || "default";
    return `its user ${user} may not ${denied}; grant it with ` +
      `ACL SETUSER ${user} ~${prefix}* &${prefix}* +@all -@dangerous +info`;
  }
  if (code === "ECONNREFUSED") return "no Redis is listening there; start it, or correct REDIS_URL";
  if (message.startsWith("NOAUTH")) {
    return "it requires a password; write redis://:PASSWORD@HOST, or redis://USER:PASSWORD@HOST";
  }
  if (message.startsWith("WRONGPASS")) return "its user or password is wrong; correct REDIS_URL";
  if (/DB index/i.test(message)) return "it has no database with that number; correct REDIS_URL";
  if (/^(ENOTFOUND|EAI_AGAIN)$/.test(code)) return "its name has no address; correct REDIS_URL";
  const isOtherProtocol = /^Socket closed|ECONNRESET|^Unknown RESP type/.test(message);
  if (isOtherProtocol && protocol === "redis:") {
    return "its reply is not in the Redis protocol; if it uses TLS, write rediss:// " +
      "instead of redis://";
  }
  if (/^Connection timeout|^no reply within/.test(message)) {
    return protocol === "redis:"
      ? "it does not respond; check REDIS_URL and the firewalls in between"
      : "its TLS handshake took too long; if it does not use TLS, write redis:// " +
        "instead of rediss://";
  }
  if (/SELF_SIGNED_CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code)) {
    return "its certificate is not from a known authority; set DENO_CERT to your CA certificate";
  }
  return message;
}

/** Returns the right that an ACL denies, if that is the error. The wording varies by version. */
function deniedRight(message: string, prefix: string, url: string): string | undefined {
  if (message.includes("executing the script can't")) return "run a command that a script needs";
  if (!message.startsWith("NOPERM")) return undefined;
  const [, command] = /the '(.*)' command/.exec(message) ?? [];
  if (command !== undefined) return `run ${command.toUpperCase()}`;
  return message.includes("channel")
    ? `use the channel ${typingChannel(prefix, url)}`
    : `use the keys ${prefix}*`;
}

/**
 * Checks the INFO replies of two connections.
 *
 * @throws {Error} If a chat cannot be stored there; the message says why.
 */
export function requireUsable(commands: unknown, feed: unknown): void {
  const valueOf = (info: unknown, name: string) =>
    new RegExp(`^${name}:(.*)\r$`, "m").exec(String(info))?.[1];
  const [version = "", mode, policy] = ["redis_version", "redis_mode", "maxmemory_policy"]
    .map((name) => valueOf(commands, name));
  if (mode === "sentinel") {
    throw new Error("it is a Sentinel; use the address of the Redis that it monitors");
  }
  if (mode === "cluster") {
    throw new Error("it is part of a Redis Cluster; use one without cluster-enabled");
  }
  if (Number.parseInt(version) < minVersion) {
    throw new Error(`its version is ${version}; it must be ${minVersion} or later`);
  }
  if (policy === undefined) {
    throw new Error("its INFO has no maxmemory-policy; use a Redis that reports its policy");
  }
  if (policy !== "noeviction") {
    throw new Error(`its maxmemory-policy is ${policy}, which evicts messages; set noeviction`);
  }
  if (valueOf(commands, "run_id") !== valueOf(feed, "run_id")) {
    throw new Error("its address leads to more than one server; use the address of one");
  }
}
