// Suggests a valid room name. A separate file, so that the page can load it later.

/** Returns a room name that resembles a text, or "" if that has no letter or digit. */
export function suggestRoomName(typed: string): string {
  const ascii = typed.normalize("NFKD").toLowerCase().replaceAll("ß", "ss").replace(/\p{M}/gu, "");
  const name = ascii.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "");
  return name.slice(0, 32).replace(/-$/, "");
}
