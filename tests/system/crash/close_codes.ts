// The close codes of SPEC.md that the crash test expects.

/** The codes of a connection without a close frame: in the standard, and in Deno. */
export const abnormalCodes: readonly number[] = [1006, 0];
export const restartingCode = 1012;
export const bannedCode = 4001;
export const floodingCode = 4102;
export const noHelloCode = 4100;
