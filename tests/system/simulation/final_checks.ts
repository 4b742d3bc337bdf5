// The promises checked once a world has settled.

import { usernameKey } from "../../../app/protocol/names.ts";
import type { BareClient } from "./bare_client.ts";
import type { ClientLedger } from "./client_ledger.ts";
import type { Deployment } from "./deployment.ts";
import type { SimulatedClient } from "./simulated_client.ts";
import { Violation } from "./violation.ts";

export interface FinalState {
  readonly deployment: Deployment;
  readonly ledger: ClientLedger;
  readonly clients: readonly SimulatedClient[];
  readonly bareClients: readonly BareClient[];
  readonly rooms: readonly string[];
}

/**
 * Checks a world in which everything works and nothing is in flight.
 *
 * @throws {Violation} If a promise was broken.
 */
export function checkFinalState(state: FinalState): void {
  const { deployment, ledger, clients, bareClients, rooms } = state;
  const offsets = offsetsOf(deployment);
  for (const nonce of ledger.acknowledged) {
    if (!offsets.has(nonce) && !deployment.log.lost.has(nonce)) {
      throw new Violation(`an acknowledged message is not in the log: ${nonce}`);
    }
  }
  checkOrder(ledger, offsets, deployment.log.lost.size === 0);
  for (const client of clients) {
    client.check(true);
    client.compare(deployment.log.rooms);
  }
  for (const client of bareClients) client.compare(deployment.log);
  checkHubs(state);
  deployment.checkStorage();
  for (const room of rooms) checkPresence(room, clients);
}

/** Returns the offset of each nonce, and checks that none is stored twice. */
function offsetsOf({ log }: Deployment): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>();
  for (const [room, entries] of log.rooms) {
    for (const { offset, nonce } of entries) {
      if (offsets.has(nonce)) throw new Violation(`${room}: ${nonce} is stored twice`);
      offsets.set(nonce, offset);
    }
  }
  return offsets;
}

/** Checks that the log has the messages of each tab to a room in the order they were sent. */
function checkOrder(
  { sent, adopted }: ClientLedger,
  offsets: ReadonlyMap<string, number>,
  isLogComplete: boolean,
): void {
  // A message resent after a restored backup comes after later ones that the backup had.
  if (!isLogComplete) return;
  for (const [client, messages] of sent) {
    const last = new Map<string, number>();
    for (const { room, nonce } of messages) {
      const offset = offsets.get(nonce);
      if (offset === undefined || adopted.has(nonce)) continue;
      if (offset < (last.get(room) ?? 0)) {
        throw new Violation(`the log of ${room} has the messages of ${client} in another order`);
      }
      last.set(room, offset);
    }
  }
}

/** Checks that the hubs hold exactly the connected sessions and their members. */
function checkHubs({ deployment: { hubSizes }, clients, bareClients }: FinalState): void {
  const members = new Set(clients.map(({ options }) => options.token)).size +
    new Set(bareClients.map(({ options }) => options.member)).size;
  const sessions = sum(hubSizes.map(({ sessions }) => sessions));
  // Each node counts its members, and a member may be on several.
  const held = sum(hubSizes.map(({ members }) => members));
  const isCountRight = hubSizes.length > 1 ? held >= members : held === members;
  const hasGraces = hubSizes.some(({ graces }) => graces > 0);
  if (sessions !== clients.length + bareClients.length || !isCountRight || hasGraces) {
    throw new Violation(`${members} members are here, the hubs hold ${JSON.stringify(hubSizes)}`);
  }
}

/** Checks that every page shows the members that are in a room, each with its name. */
function checkPresence(room: string, clients: readonly SimulatedClient[]): void {
  const present = new Map<string, string>();
  for (const { chat } of clients) {
    if (chat.rooms.has(room)) present.set(chat.session.member, chat.session.username);
  }
  const keys = new Set([...present.values()].map(usernameKey));
  if (keys.size !== present.size) throw new Violation(`two members of ${room} have one name`);
  const expected = JSON.stringify([...present].sort());
  for (const { chat, options } of clients) {
    const members = chat.rooms.get(room)?.roster.members;
    if (members === undefined) continue;
    const shown = JSON.stringify([...members].sort());
    if (shown !== expected) {
      throw new Violation(`${options.id} shows ${shown} in ${room}, there are ${expected}`);
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
