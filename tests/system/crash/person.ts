// A person with a token: tracks the names that it may hold, from what its client has seen.

const historyMax = 12;

/** The names that all persons hold, and counts of what they did. */
interface NameLedger {
  readonly counts: { renames: number; namesTaken: number };
  addViolation(sentence: string): void;
  claimName(person: Person, name: string): void;
  releaseName(person: Person, name: string | undefined, when: "now" | "later"): void;
}

/** The holder of a token. */
export class Person {
  readonly id: string;
  readonly token: string;
  /** The public id, once the server has sent it. */
  member: string | undefined;
  /** Every name it has had or asked for. */
  readonly names = new Set<string>();
  /**
   * Whether one of its messages was acknowledged. From then on the server holds its name while it
   * is away.
   */
  hasWritten = false;
  readonly #ledger: NameLedger;
  #name: string | undefined;
  /** The name before the last rename, which it still holds. */
  #previousName: string | undefined;
  #requestedName: string | undefined;
  /** The latest events that affected its names, to explain a violation. */
  readonly #history: string[] = [];

  constructor(ledger: NameLedger, id: string, token: string) {
    this.#ledger = ledger;
    this.id = id;
    this.token = token;
  }

  get name(): string | undefined {
    return this.#name;
  }

  /** Whether the result of a rename is unknown. */
  get isRenaming(): boolean {
    return this.#requestedName !== undefined;
  }

  /** Requests another name. This may release the name before the current one. */
  requestName(name: string): void {
    this.#record(`requests ${name}`);
    this.#requestedName = name;
    this.names.add(name);
    this.#ledger.releaseName(this, this.#previousName, "now");
  }

  /** Records the name that the server sent. */
  onNameConfirmed(name: string): void {
    const ledger = this.#ledger;
    this.#record(`is called ${name}`);
    this.names.add(name);
    if (this.#name !== undefined && name === this.#requestedName) {
      if (name !== this.#name) this.#previousName = this.#name;
      ledger.counts.renames++;
    } else if (this.#name !== undefined && name !== this.#name) {
      if (this.hasWritten) {
        ledger.addViolation(
          `${this.id} is called ${name}, but holds ${this.#name}: ${this.#history.join(", ")}`,
        );
      }
      ledger.releaseName(this, this.#name, "now");
      ledger.releaseName(this, this.#previousName, "now");
      this.#previousName = undefined;
    }
    this.#requestedName = undefined;
    this.#name = name;
    ledger.claimName(this, name);
    if (this.#previousName !== undefined) ledger.claimName(this, this.#previousName);
  }

  /** Records that the requested name belongs to another member. */
  onNameRefused(): void {
    this.#record("is refused a name");
    this.#requestedName = undefined;
    this.#ledger.counts.namesTaken++;
    if (this.#previousName !== undefined) this.#ledger.claimName(this, this.#previousName);
  }

  /** Records that its connection has closed. If it left on purpose, there is no grace period. */
  onDisconnect(hasLeft: boolean): void {
    this.#record("disconnects");
    if (this.hasWritten) return;
    const when = hasLeft ? "now" : "later";
    this.#ledger.releaseName(this, this.#name, when);
    this.#ledger.releaseName(this, this.#previousName, when);
  }

  #record(event: string): void {
    this.#history.push(`${Math.round(performance.now())} ms ${event}`);
    if (this.#history.length > historyMax) this.#history.shift();
  }
}
