// Types of @std/http/user-agent 1.1.3 for the untyped code on npm.

/** A browser. */
export interface Browser {
  readonly name: string | undefined;
  readonly version: string | undefined;
  /** The first number of the version. */
  readonly major: string | undefined;
}

/** A processor. */
export interface Cpu {
  readonly architecture: string | undefined;
}

/** A device. */
export interface Device {
  readonly model: string | undefined;
  readonly type:
    | "console"
    | "embedded"
    | "mobile"
    | "tablet"
    | "smarttv"
    | "wearable"
    | undefined;
  readonly vendor: string | undefined;
}

/** A browser engine. */
export interface Engine {
  readonly name: string | undefined;
  readonly version: string | undefined;
}

/** An operating system. */
export interface Os {
  readonly name: string | undefined;
  readonly version: string | undefined;
}

/** The contents of a `User-Agent` header. */
export class UserAgent {
  constructor(ua: string | null);
  get browser(): Browser;
  get cpu(): Cpu;
  get device(): Device;
  get engine(): Engine;
  get os(): Os;
  /** The header itself. */
  get ua(): string;
  toJSON(): { browser: Browser; cpu: Cpu; device: Device; engine: Engine; os: Os; ua: string };
  toString(): string;
}
