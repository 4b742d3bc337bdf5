// The project's compose file in an engine, as an operator has it: its settings, its command, its containers.

import type { Engine } from "./engine.ts";
import { until } from "./engine.ts";

const healthWaitMs = 120_000;

/** What the first process of a container may do. */
export interface Confinement {
  readonly uid: number;
  /** Masks in hexadecimal: those that it has, and those that it could ever get. */
  readonly capabilities: string;
  readonly reachable: string;
  readonly noNewPrivileges: boolean;
  readonly readOnly: boolean;
  /** Bytes; 0 is no limit. */
  readonly memory: number;
}

/** docker-compose with settings of its environment, and with options before its verb. */
export class Compose {
  readonly #engine: Engine;
  readonly #line: readonly string[];

  constructor(
    engine: Engine,
    environment: Readonly<Record<string, string>>,
    ...options: readonly string[]
  ) {
    this.#engine = engine;
    const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    this.#line = [...settings, "docker-compose", ...options];
  }

  /** Runs a verb. Answers what it printed. */
  run(...args: readonly string[]): Promise<string> {
    return this.#engine.run("env", ...this.#line, ...args);
  }

  /** Runs a verb that goes on, until it prints what matches. Answers what it printed until then. */
  follow(pattern: RegExp, ...args: readonly string[]): Promise<string> {
    return this.#engine.follow(pattern, "env", ...this.#line, ...args);
  }

  /** The containers of a service, those that have ended among them. */
  async containers(service: string): Promise<readonly string[]> {
    return (await this.run("ps", "-aq", service)).split("\n").filter((line) => line !== "");
  }

  /** The container of a service that has one. */
  async container(service: string): Promise<string> {
    const [id, ...others] = await this.containers(service);
    if (id !== undefined && others.length === 0) return id;
    throw new Error(`Cannot find the container of ${service}: there are ${others.length + 1}`);
  }

  /** Waits until a container's own check of its health succeeds. */
  healthy(id: string): Promise<void> {
    const isHealthy = async () => await this.inspect(id, "{{.State.Health.Status}}") === "healthy";
    return until(`${id} is healthy`, isHealthy, healthWaitMs);
  }

  async inspect(id: string, template: string): Promise<string> {
    return (await this.#engine.run("docker", "inspect", "-f", template, id)).trim();
  }

  /** Runs a program in a container. Answers what it printed. */
  inside(id: string, ...command: readonly string[]): Promise<string> {
    return this.#engine.run("docker", "exec", id, ...command);
  }

  async confinement(id: string): Promise<Confinement> {
    const status = await this.inside(id, "cat", "/proc/1/status");
    const of = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
    const [readOnly, memory] =
      (await this.inspect(id, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}")).split(" ");
    return {
      uid: Number(of("Uid")),
      capabilities: of("CapEff"),
      reachable: of("CapBnd"),
      noNewPrivileges: of("NoNewPrivs") === "1",
      readOnly: readOnly === "true",
      memory: Number(memory),
    };
  }

  /** Why a file cannot be made in a container; nothing when it can. */
  async refusal(id: string, path: string): Promise<string> {
    const { success, stdout, stderr } = await this.#engine.try("docker", "exec", id, "touch", path);
    return success ? "" : stdout + stderr;
  }
}

/** No capability, in hexadecimal, and the one to bind ports below 1024. */
export const none = "0".repeat(16);
export const lowPortsOnly = "400".padStart(16, "0");
