// The server's certificate: read, checked, and read again when it may have been renewed.

import { errorMessage } from "../core/error_message.ts";

/** A certificate with its chain, and its private key, both as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key. `hostname` is what the server listens on.
 *
 * @throws {Error} If a file cannot be read, or the two do not belong together; the message says which and why.
 */
export function readCertificate(
  certPath: string,
  keyPath: string,
  hostname: string,
): Certificate {
  const certificate = { cert: readPem(certPath), key: readPem(keyPath) };
  try {
    // The only one who knows what a listener takes is a listener.
    Deno.listenTls({ hostname, port: 0, ...certificate }).close();
  } catch (error) {
    throw new Error(`Cannot use ${certPath} with ${keyPath}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  return certificate;
}

function readPem(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
