// Registers the service worker. Loaded after the page, because its first view does not need it.

/** The part of Trusted Types (W3C) that this file uses; not every browser has it. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { readonly createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
}

/** The page's only policy: its Content-Security-Policy names it, and a worker needs one. */
const policyName = "parley";

/** Registers the worker at `path`. Plain http has none; the page then needs its server to load. */
export function registerWorker(path: string): void {
  const { trustedTypes }: { readonly trustedTypes?: TrustedTypes } = globalThis as object;
  const policy = trustedTypes?.createPolicy(policyName, { createScriptURL: () => path });
  navigator.serviceWorker?.register(policy?.createScriptURL(path) ?? path).catch(() => {});
}
