// The person's session with the server: who they are, and whether the server has welcomed them.

import type {
  NeighborsPush,
  SanctionsPush,
  ServerLimits,
  WelcomePush,
} from "../../../app/protocol/wire.ts";
import { pageProblems } from "./connection.ts";
import type { Problem } from "./problem.ts";
import type { Profile } from "./profile.ts";

/** Whether the person has a name. Stays `done` while the connection is lost. */
export type SignInState =
  /** Not signed in yet, or the server refused the name or access code because of `problem`. */
  | { readonly kind: "required"; readonly problem?: Problem }
  | { readonly kind: "pending" }
  | { readonly kind: "done" };

/** The last push of each type about moderation on this connection. */
interface ModerationPushes {
  /** Present if the member is a moderator. */
  readonly moderator?: { readonly type: "moderator" };
  readonly sanctions?: SanctionsPush;
  readonly neighbors?: NeighborsPush;
}

export class Session {
  state: SignInState = { kind: "required" };
  /** Whether the connection is open and the server has welcomed this page. */
  isReady = false;
  /** The person's public id; empty before the first `welcome`. */
  member = "";
  profile: Profile | undefined;
  limits: ServerLimits | undefined;
  moderation: ModerationPushes = {};
  /** Why the server closed the last connection. */
  #closeProblem: Problem | undefined;

  get username(): string {
    return this.profile?.username ?? "";
  }

  /** Asks for a name with the next `hello`. */
  signIn(profile: Profile): void {
    this.profile = profile;
    this.state = { kind: "pending" };
  }

  /** Applies a `welcome`. Returns why the server closed the last connection, if it said so. */
  welcome({ member, username, token, limits }: WelcomePush): Problem | undefined {
    const problem = this.#closeProblem;
    this.#closeProblem = undefined;
    this.isReady = true;
    this.state = { kind: "done" };
    this.member = member;
    this.profile = { ...this.profile, username: String(username), token };
    this.limits = limits;
    this.moderation = {};
    return problem;
  }

  rename(username: string): void {
    if (this.profile) this.profile = { ...this.profile, username };
  }

  /** Ends the session, because its connection has closed with this code. */
  end(code: number): void {
    this.#closeProblem = pageProblems[code] ?? this.#closeProblem;
    this.isReady = false;
  }
}
