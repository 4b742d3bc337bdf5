// docker-compose with the project's compose file, as an operator uses it.

import type { Engine } from "./engine.ts";
import { until } from "./engine.ts";

const healthWaitMs = 120_000;

/** Restrictions of the first process of a container. */
export interface Confinement {
  readonly uid: number;
  /** Effective capabilities, as a hexadecimal mask. */
  readonly capabilities: string;
  /** Capabilities it could ever acquire, as a hexadecimal mask. */
  readonly boundingSet: string;
  readonly noNewPrivileges: boolean;
  readonly readOnly: boolean;
  /** Memory limit; 0 is unlimited. */
  readonly memoryBytes: number;
  /** Max threads; 0 is unlimited. */
  readonly maxThreads: number;
}

/** Runs docker-compose with environment variables and with options before its commands. */
export class Compose {
  readonly #engine: Engine;
  readonly #commandLine: readonly string[];

  constructor(
    engine: Engine,
    environment: Readonly<Record<string, string>>,
    ...options: readonly string[]
  ) {
    this.#engine = engine;
    const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    this.#commandLine = [...settings, "docker-compose", ...options];
  }

  /** Runs a command of docker-compose. Returns its output. */
  run(...args: readonly string[]): Promise<string> {
    return this.#engine.run("env", ...this.#commandLine, ...args);
  }

  /** Runs a command that doesn't end until its output matches. Returns the output up to then. */
  follow(pattern: RegExp, ...args: readonly string[]): Promise<string> {
    return this.#engine.follow(pattern, "env", ...this.#commandLine, ...args);
  }

  /** Returns the ids of a service's containers, stopped ones included. */
  async containers(service: string): Promise<readonly string[]> {
    return (await this.run("ps", "-aq", service)).split("\n").filter((line) => line !== "");
  }

  /** Returns the id of a service's only container. */
  async container(service: string): Promise<string> {
    const [id, ...others] = await this.containers(service);
    if (id !== undefined && others.length === 0) return id;
    const count = id === undefined ? 0 : others.length + 1;
    throw new Error(`Cannot find the container of ${service}: there are ${count}`);
  }

  /** Waits until a container's health check passes. */
  untilHealthy(id: string): Promise<void> {
    const isHealthy = async () => await this.inspect(id, "{{.State.Health.Status}}") === "healthy";
    return until(`${id} is healthy`, isHealthy, healthWaitMs);
  }

  async inspect(id: string, template: string): Promise<string> {
    return (await this.#engine.run("docker", "inspect", "-f", template, id)).trim();
  }

  /** Runs a program in a container. Returns its output. */
  exec(id: string, ...command: readonly string[]): Promise<string> {
    return this.#engine.run("docker", "exec", id, ...command);
  }

  /** Returns the restrictions of a container's first process. */
  async confinement(id: string): Promise<Confinement> {
    const status = await this.exec(id, "cat", "/proc/1/status");
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
    const limits = "{{with .HostConfig}}{{.ReadonlyRootfs}} {{.Memory}} {{.PidsLimit}}{{end}}";
    const [readOnly, memory, threads] = (await this.inspect(id, limits)).split(" ");
    return {
      uid: Number(field("Uid")),
      capabilities: field("CapEff"),
      boundingSet: field("CapBnd"),
      noNewPrivileges: field("NoNewPrivs") === "1",
      readOnly: readOnly === "true",
      memoryBytes: Number(memory),
      maxThreads: Number(threads) || 0,
    };
  }

  /** Tries to create a file in a container. Returns the error output, or an empty string. */
  async touchError(id: string, path: string): Promise<string> {
    const { success, stdout, stderr } = await this.#engine.try("docker", "exec", id, "touch", path);
    return success ? "" : stdout + stderr;
  }
}

/** The mask of no capabilities. */
export const noCapabilities = "0".repeat(16);
/** The mask of CAP_NET_BIND_SERVICE alone. */
export const bindServiceOnly = "400".padStart(16, "0");
