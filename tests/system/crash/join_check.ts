// Checks the reply to a join in the crash test, by rules R4 to R7.

import type { Position, RoomPush } from "../../../app/protocol/wire.ts";
import type { Ledger } from "./ledger.ts";

/** Checks whether a page continues the position that the client `who` asked for. */
export function checkJoin(
  ledger: Ledger,
  who: string,
  push: RoomPush,
  requested: Position | undefined,
): void {
  const where = `${who} in ${push.room}`;
  const oldest = push.messages[0]?.offset ?? push.offset + 1;
  const range = `${oldest} to ${push.offset}`;
  const missed = requested === undefined ? 0 : oldest - 1 - requested.offset;
  if (push.recovered) {
    ledger.counts.recovered++;
    if (requested === undefined || missed !== 0 || push.missed !== undefined) {
      ledger.addViolation(`${where} recovered ${requested?.offset} with ${range}`);
    }
  } else if (requested !== undefined) {
    // This test never restores an older log, so every position is valid.
    ledger.counts.notRecovered++;
    ledger.counts.missed += missed;
    const { offset: after } = requested;
    ledger.onMissed({ who, room: push.room, after, before: oldest, count: push.missed });
    if (push.offset - after <= 1_000 || missed <= 0) {
      ledger.addViolation(`${where} lost ${after} with ${range}, missed ${push.missed}`);
    }
  } else if (push.missed !== undefined || countMessages(push) > 100) {
    ledger.addViolation(`${where} began with ${range}`);
  }
}

function countMessages({ messages }: RoomPush): number {
  return messages.filter(({ type }) => type === "message").length;
}
