// Summarizes the presence events between two messages in a few sentences.

import type { PresenceEvent } from "../state/roster.ts";
import { panels } from "../words/language.ts";

/** Returns sentences for consecutive events. Joining and leaving, or renaming back, cancel out. */
export function presenceSentences(events: readonly PresenceEvent[]): string[] {
  const net = new Map<string, PresenceEvent>();
  const renames = new Map<string, { readonly from: string; readonly to: string }>();
  for (const event of events) {
    const { kind, member, username, to = "" } = event;
    const before = net.get(member);
    if (kind === "renamed") {
      renames.set(member, { from: renames.get(member)?.from ?? username, to });
    } else if (before !== undefined && (before.kind === "joined") !== (kind === "joined")) {
      net.delete(member);
    } else net.set(member, event);
  }
  const sentences: string[] = [];
  for (const kind of ["joined", "left", "timeout"] as const) {
    const names = [...net.values()].filter((event) => event.kind === kind)
      .map(({ username }) => isolate(username));
    if (names.length > 0) sentences.push(panels[kind](names));
  }
  for (const { from, to } of renames.values()) {
    if (from !== to) sentences.push(panels.renamed(isolate(from), isolate(to)));
  }
  return sentences;
}

/** Isolates a name, so that it can't change the direction of its sentence (U+2068). */
export function isolate(name: string): string {
  return `\u2068${name}\u2069`;
}
