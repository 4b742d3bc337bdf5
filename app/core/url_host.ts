// Hosts in URLs.

/** Returns a host in the form that URLs and permissions use: IPv6 addresses have brackets. */
export function urlHost(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/** Returns a host at which clients on this machine reach a server that listens on `host`. */
export function localHost(host: string): string {
  return ["", "0.0.0.0", "::", "[::]"].includes(host) ? "localhost" : urlHost(host);
}
