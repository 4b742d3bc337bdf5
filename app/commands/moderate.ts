// `parley moderate`: asks the running server to list or lift sanctions, or to delete messages.

import type { Config } from "../core/config.ts";
import { randomName } from "../core/identity.ts";
import type { Push, Sanction } from "../protocol/wire.ts";
import { ask, serverUrl } from "./own_server.ts";

/** A command of moderators. The server decodes it. */
interface ShellCommand {
  readonly type: string;
  readonly [field: string]: unknown;
}

const memberId = /^[\w-]{16}$/;

/** Returns the command for the server, or `undefined` if the operands are invalid. */
export function moderatorCommandOf(operands: readonly string[]): ShellCommand | undefined {
  const [action, first = "", second = "", ...rest] = operands;
  const [firstNumber, secondNumber] = [Number(first), Number(second)];
  if (rest.length > 0) return undefined;
  if (action === "list" && first === "") return { type: "sanctions" };
  if (action === "lift" && firstNumber > 0 && second === "") {
    return { type: "lift", id: firstNumber };
  }
  if (action === "delete" && secondNumber > 0) {
    return { type: "delete", room: first, offset: secondNumber, nonce: randomName() };
  }
  if (action === "sweep" && memberId.test(first) && secondNumber > 0) {
    return { type: "sweep", member: first, seconds: Math.ceil(secondNumber * 3_600) };
  }
  return undefined;
}

/**
 * Sends a command to the server with these settings. Returns its reply as lines of text.
 *
 * @throws {Error} If there is no code, the server cannot be reached, or it refuses.
 */
export async function moderate(command: ShellCommand, config: Config): Promise<string> {
  if (config.moderatorCode === "") {
    throw new Error("Cannot moderate: set MODERATOR_CODE to the server's code");
  }
  const address = new URL("moderate", serverUrl(config));
  address.searchParams.set("command", JSON.stringify(command));
  const headers = { authorization: `Bearer ${config.moderatorCode}` };
  const { status, text } = await ask(address, true, { method: "POST", headers });
  if (status !== 200) {
    const reason = status === 401
      ? "the server has another MODERATOR_CODE, or none"
      : detailOf(text) ?? `status ${status}`;
    throw new Error(`Cannot moderate: ${reason}`);
  }
  // The server runs the same version.
  const push = JSON.parse(text) as Push;
  if (push.type !== "sanctions" || command.type === "sweep") return "Done\n";
  return push.sanctions.map(lineOf).join("") || "No mutes or bans\n";
}

function lineOf({ id, kind, member, username, until, by, others }: Sanction): string {
  const target = [username, member].filter((part) => part !== "").join(" ");
  const more = others === undefined ? "" : ` and ${others} more on the network`;
  return `${id}  ${kind}  ${target}${more}, until ${new Date(until).toISOString()}, by ${by}\n`;
}

function detailOf(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : undefined;
  } catch {
    return undefined;
  }
}
