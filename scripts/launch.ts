// Starts the program: `launch.ts [COMMAND] [flags]`. The tasks in deno.json, the container and the
// systemd unit use it. Imports nothing before it has checked the version, because an older Deno may
// lack what the imports need.

const minVersion = "2.9.2";

/** Returns whether a version of Deno can run the program. */
export function isSupported(version: string): boolean {
  return version.localeCompare(minVersion, "en", { numeric: true }) >= 0;
}

if (import.meta.main) {
  const { deno } = Deno.version;
  if (!isSupported(deno)) {
    // deno-lint-ignore no-console
    console.error(
      `Parley needs Deno ${minVersion} or later; this is ${deno}. Update it with "deno upgrade"`,
    );
    Deno.exit(2);
  }
  const { launch } = await import("./launcher.ts");
  Deno.exit(await launch());
}
