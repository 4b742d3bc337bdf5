// Checks the headers of WebSocket handshakes, by RFC 6455. Deno accepts many invalid handshakes,
// and throws on some others.

import { subprotocol } from "../protocol/wire.ts";
import { isForwarded } from "./peer.ts";
import type { Problem } from "./problem.ts";

const upgradeHeaders = { upgrade: "websocket", connection: "Upgrade" };

export const upgradeDropped: Problem = {
  status: 426,
  code: "upgrade_dropped",
  detail: "A proxy between you and the chat removes the Upgrade header, so WebSockets cannot " +
    "connect. Configure the proxy to forward it",
};

/**
 * Returns true for a handshake whose Upgrade header was removed by a proxy. A proxy that speaks
 * HTTP/2 to the server removes the key too, but keeps the origin, which only pages send.
 */
export function isUpgradeDropped(headers: Headers): boolean {
  return !listIncludes(headers, "upgrade", "websocket") &&
    (headers.has("sec-websocket-key") || headers.has("origin"));
}

/** Returns the problem with a handshake, if any (RFC 6455, section 4.2.1). */
export function handshakeProblem(headers: Headers): Problem | undefined {
  // nginx passes Upgrade on to clients that speak HTTP/2, which then refuse the response (RFC 9113,
  // section 8.2.2).
  const required = isForwarded(headers) ? {} : { headers: upgradeHeaders };
  if (isUpgradeDropped(headers)) return { ...upgradeDropped, ...required };
  if (!listIncludes(headers, "upgrade", "websocket")) {
    const detail = "This address only serves WebSockets";
    return { status: 426, code: "upgrade_required", detail, ...required };
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return {
      status: 426,
      code: "version_unsupported",
      detail: "The Sec-WebSocket-Version header must be 13",
      headers: { ...upgradeHeaders, "sec-websocket-version": "13" },
    };
  }
  if (!listIncludes(headers, "connection", "upgrade")) {
    const detail = "The Connection header must include Upgrade";
    return { status: 400, code: "handshake_invalid", detail };
  }
  // 16 bytes are 22 characters and padding. The last character only carries two bits.
  if (!/^[A-Za-z\d+/]{21}[AQgw]==$/.test(headers.get("sec-websocket-key") ?? "")) {
    const detail = "The Sec-WebSocket-Key header must be 16 bytes in base64";
    return { status: 400, code: "handshake_invalid", detail };
  }
  const protocols = offeredProtocols(headers);
  if (protocols.length > 0 && !protocols.includes(subprotocol)) {
    const detail = `The only supported subprotocol is ${subprotocol}`;
    return { status: 400, code: "subprotocol_unsupported", detail };
  }
  return undefined;
}

/** Returns true if the client offers our subprotocol. It may also offer none. */
export function offersSubprotocol(headers: Headers): boolean {
  return offeredProtocols(headers).includes(subprotocol);
}

function offeredProtocols(headers: Headers): readonly string[] {
  return listOf(headers, "sec-websocket-protocol");
}

function listIncludes(headers: Headers, name: string, value: string): boolean {
  return listOf(headers, name).some((part) => part.toLowerCase() === value);
}

function listOf(headers: Headers, name: string): readonly string[] {
  const list = headers.get(name)?.split(",") ?? [];
  return list.map((part) => part.trim()).filter((part) => part !== "");
}
