// How the launcher passes information to the program: through the environment and stdin. Imports
// nothing, since the launcher loads this too and keeps all its imports in memory.

/** Environment variable set by the launcher: stdin is a pipe that closes when the launcher ends. */
export const launcherVariable = "ENDS_WITH_STDIN";

/** Calls `onEnd` if the launcher ends before this process, which means that it was killed. */
export async function watchLauncher(onEnd: () => void): Promise<void> {
  if (variable(launcherVariable) !== "1") return;
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
  onEnd();
}

/** Environment variable for the launcher's limit on descriptors: Deno forbids reading /proc. */
export const descriptorsVariable = "MAX_DESCRIPTORS";

/** Returns the max number of file descriptors, if the launcher could determine it. */
export function maxDescriptors(): number | undefined {
  return Number(variable(descriptorsVariable)) || undefined;
}

/** Returns a variable of the environment, if it is set and may be read. */
function variable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}
