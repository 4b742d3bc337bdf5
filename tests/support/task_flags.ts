// The flags of tasks that test and measure, such as `deno task simulate --seeds 1`.

import { parseArgs } from "node:util";

type Values = Readonly<Record<string, string | number | boolean>>;

/** The type of a flag's values, from its default. */
type Widened<T> = T extends number ? number : T extends boolean ? boolean : string;

/**
 * Returns the values of flags such as `--seeds 1`, and `defaults` for those that are not in `args`.
 *
 * @throws {Error} If a flag is unknown, or its value is missing or not a number; the message lists
 *   the flags.
 */
export function parseTaskFlags<const Defaults extends Values>(
  defaults: Defaults,
  args: readonly string[],
): { readonly [Name in keyof Defaults]: Widened<Defaults[Name]> } {
  const options = Object.entries(defaults).map(([name, value]) =>
    [name, { type: typeof value === "boolean" ? "boolean" : "string" } as const] as const
  );
  try {
    const { values } = parseArgs({ args: [...args], options: Object.fromEntries(options) });
    const entries = Object.entries(values).map(([name, value]) => {
      const isNumber = typeof defaults[name] === "number";
      if (isNumber && !Number.isFinite(Number(value))) throw new TypeError(`${value}`);
      return [name, isNumber ? Number(value) : value];
    });
    // Each flag has the type of its default.
    return { ...defaults, ...Object.fromEntries(entries) };
  } catch (error) {
    const names = Object.entries(defaults).map(([name, value]) => {
      if (typeof value === "boolean") return `--${name}`;
      return `--${name} ${typeof value === "number" ? "NUMBER" : "TEXT"}`;
    });
    const message = `Cannot use ${args.join(" ")}: the flags are ${names.join(", ")}`;
    throw new Error(message, { cause: error });
  }
}

/** Returns the flags of this task. If they are invalid, prints why and exits with status 2. */
export function readTaskFlags<const Defaults extends Values>(defaults: Defaults) {
  try {
    return parseTaskFlags(defaults, Deno.args);
  } catch (error) {
    Deno.stderr.writeSync(new TextEncoder().encode(`${error instanceof Error && error.message}\n`));
    return Deno.exit(2);
  }
}
