// Suggests a valid room name. A separate file, so that the page can load it later.

/** Max length of the text that is compared. Normalizing a long one can take 30 ms. */
const typedMaxLength = 256;

/** Returns a room name that resembles a text, or "" if that has no letter or digit. */
export function suggestRoomName(typed: string): string {
  const ascii = typed.slice(0, typedMaxLength).normalize("NFKD").toLowerCase()
    .replaceAll("ß", "ss").replace(/\p{M}/gu, "");
  const name = ascii.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "");
  return name.slice(0, 32).replace(/-$/, "");
}
