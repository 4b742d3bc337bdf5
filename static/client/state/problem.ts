// Refusals and failures, in a form that the page can translate.

/** A refusal by the server or by a rule of the page, or a failure of the network. */
export interface Problem {
  /** Stable and machine-readable; the words of each language map it to a sentence. */
  readonly code: string;
  /** The server's sentence, in English, for codes the page has no words for; else empty. */
  readonly message: string;
  /** The type of the refused command, where the sentence depends on it. */
  readonly re?: string;
  /** When to try again, in ms from the time of the refusal. */
  readonly retryAfter?: number;
}
