// The identity of the simulated moderator, and a prefix of its nonces.

export const tokenStart = "mona";
/** The member of the moderator, as simulated processes derive it from the token. */
export const moderatorId = `id-${tokenStart}`;
/** The nonces of commands that remove and unlock the title begin with this. */
export const untitle = "untitle";
