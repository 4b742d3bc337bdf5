// Suggests a valid room name. A separate file, so that the page can load it later.

/** Returns a room name that resembles what someone typed, or "" if no letter or digit is left. */
export function suggestRoomName(typed: string): string {
  const ascii = typed.normalize("NFKD").toLowerCase().replaceAll("ß", "ss").replace(/\p{M}/gu, "");
  const name = ascii.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "");
  return name.slice(0, 32).replace(/-$/, "");
}
