// The server's TLS certificate: reads it, checks it, and watches for its renewal.

import { X509Certificate } from "node:crypto";
import { errorMessage } from "../core/error_message.ts";
import { checkCanOpen } from "../core/file_info.ts";
import { SettingError } from "../core/setting_error.ts";

/** How often the files are checked for a renewed certificate. SIGHUP checks at once. */
const checkMs = 60_000;
/** How long before a certificate expires the warnings start. */
const warnMs = 3 * 86_400_000;
/** Interval between warnings. */
const warnIntervalMs = 86_400_000;

/** A certificate in a PEM file, which may have the key and other text before it. */
const certificates = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A certificate with its chain, and its private key, both as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key, and checks that a listener on `hostname` accepts them.
 *
 * @throws {SettingError} If a file cannot be read, or the key does not match the certificate.
 */
export function readCertificate(certPath: string, keyPath: string, hostname: string): Certificate {
  const cert = readPem("TLS_CERT", certPath);
  const certificate = {
    cert: cert.match(certificates)?.join("\n") ?? cert,
    key: readPem("TLS_KEY", keyPath),
  };
  try {
    Deno.listenTls({ hostname, port: 0, ...certificate }).close();
  } catch (error) {
    throw new SettingError(
      `Cannot use TLS_CERT=${JSON.stringify(certPath)} with TLS_KEY=${JSON.stringify(keyPath)}: ` +
        reasonOf(error, certificate),
      { cause: error },
    );
  }
  return certificate;
}

/** Returns why a certificate and its key cannot be used. */
function reasonOf(error: unknown, { key }: Certificate): string {
  const message = errorMessage(error);
  return key.includes("ENCRYPTED")
    ? "the key has a passphrase; remove it with openssl pkey"
    : /KeyMismatch/.test(message)
    ? "the key belongs to another certificate"
    : /^No certificates/.test(message)
    ? "TLS_CERT must be a PEM file with the certificate"
    : /^No keys/.test(message)
    ? "TLS_KEY must be a PEM file with the private key"
    : message;
}

/** Returns when a certificate expires, in ISO 8601; `undefined` if it has over three days left. */
export function expiryOf({ cert }: Certificate, now: number): string | undefined {
  const validTo = new Date(new X509Certificate(cert).validTo);
  return validTo.getTime() - now < warnMs ? validTo.toISOString() : undefined;
}

/**
 * Rereads the certificate every minute and on SIGHUP. Reports every change, and once a day that the
 * certificate is about to expire.
 */
export function watchCertificate(
  initial: Certificate,
  read: () => Certificate,
  { onRenewed, onExpiring, onError }: {
    readonly onRenewed: (certificate: Certificate) => Promise<void>;
    readonly onExpiring: (expires: string) => void;
    readonly onError: (error: unknown) => void;
  },
): void {
  let current = initial;
  let warnedAt = -Infinity;
  const warn = () => {
    const now = Date.now();
    const expires = expiryOf(current, now);
    if (expires === undefined || Math.abs(now - warnedAt) < warnIntervalMs) return;
    warnedAt = now;
    onExpiring(expires);
  };
  const check = () => {
    try {
      const { cert, key } = read();
      if (cert === current.cert && key === current.key) return;
      current = { cert, key };
    } catch (error) {
      // The files may be half written. The current certificate stays in use.
      return onError(error);
    }
    void onRenewed(current);
  };
  warn();
  setInterval(() => {
    check();
    warn();
  }, checkMs);
  Deno.addSignalListener("SIGHUP", check);
}

function readPem(setting: string, path: string): string {
  try {
    checkCanOpen(path);
    return Deno.readTextFileSync(path);
  } catch (error) {
    const isDenied = error instanceof Deno.errors.PermissionDenied;
    const reason = errorMessage(error) +
      (isDenied ? "; the server's user must be able to read it" : "");
    throw new SettingError(`Cannot use ${setting}=${JSON.stringify(path)}: ${reason}`, {
      cause: error,
    });
  }
}
