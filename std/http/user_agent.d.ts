// Types of @std/http/user-agent 1.0, written for the code on npm, which has none.

/** Which browser. */
export interface Browser {
  readonly name: string | undefined;
  readonly version: string | undefined;
  /** First number of the version. */
  readonly major: string | undefined;
}

/** Which processor. */
export interface Cpu {
  readonly architecture: string | undefined;
}

/** Which device. */
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

/** Which engine of a browser. */
export interface Engine {
  readonly name: string | undefined;
  readonly version: string | undefined;
}

/** Which operating system. */
export interface Os {
  readonly name: string | undefined;
  readonly version: string | undefined;
}

/** What the text of `User-Agent` tells, as far as it can be believed. */
export class UserAgent {
  constructor(ua: string | null);
  get browser(): Browser;
  get cpu(): Cpu;
  get device(): Device;
  get engine(): Engine;
  get os(): Os;
  /** The text itself. */
  get ua(): string;
  toJSON(): { browser: Browser; cpu: Cpu; device: Device; engine: Engine; os: Os; ua: string };
  toString(): string;
}
