// Broken promises in a simulated world.

/** Thrown when a promise is broken. */
export class Violation extends Error {}

/** Runs a check where the code under test may swallow its exception, and records its violation. */
export function recordViolation(
  world: { violation: Violation | undefined },
  check: () => void,
): void {
  try {
    check();
  } catch (error) {
    if (error instanceof Violation) world.violation ??= error;
    throw error;
  }
}
