// The page without its server: keeps what it is made of, and shows that when the server cannot be reached. It asks the server
// first, so that nobody gets an old page from a server that has a new one. WebSockets never come here, and everything but the
// page and its files is left alone. A notification that a phone let it show leads back to its room. Runs as a worker of its own
// and shares nothing with the page.

/** An event that lasts until its work is done. */
interface Lasting {
  waitUntil(work: Promise<unknown>): void;
}

/** A request of a page. */
interface Asked {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** A notification that the page asked for was clicked; its data is the address of the room. */
interface Clicked extends Lasting {
  readonly notification: { readonly data: unknown; close(): void };
}

/** A window of the page. */
interface Client {
  readonly url: string;
  focus(): Promise<unknown>;
  navigate(url: string): Promise<unknown>;
}

/** The part of a service worker's global that is used; the library of types for pages does not have it. */
interface Scope {
  /** Written before this script by the server: what belongs to the page, the page itself first. */
  readonly shell: { readonly version: string; readonly paths: readonly [string, ...string[]] };
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { readonly type: "window" }): Promise<readonly Client[]>;
    openWindow(url: string): Promise<unknown>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listen: (event: Lasting) => void): void;
  addEventListener(type: "fetch", listen: (event: Asked) => void): void;
  addEventListener(type: "notificationclick", listen: (event: Clicked) => void): void;
}

const scope = globalThis as unknown as Scope;
const { version, paths } = scope.shell;
const [page] = paths;
const prefix = `parley ${page} `;
const name = prefix + version;

scope.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(name);
    await cache.addAll([...paths]);
    await scope.skipWaiting();
  };
  event.waitUntil(fill());
});

scope.addEventListener("activate", (event) => {
  const tidy = async () => {
    for (const other of await caches.keys()) {
      if (other.startsWith(prefix) && other !== name) await caches.delete(other);
    }
    await scope.clients.claim();
  };
  event.waitUntil(tidy());
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || request.method !== "GET") return;
  const isRoom = pathname.startsWith(`${page}r/`);
  if (request.mode === "navigate" && (pathname === page || isRoom)) {
    event.respondWith(fresh(request));
  } else if (pathname !== page && paths.includes(pathname)) event.respondWith(kept(request));
});

scope.addEventListener("notificationclick", (event) => {
  const { notification } = event;
  notification.close();
  const address = new URL(String(notification.data), location.origin);
  if (address.origin === location.origin) event.waitUntil(lead(address.href));
});

/** Shows the room in a window of the page that there is, or in a new one. */
async function lead(address: string): Promise<void> {
  const windows = await scope.clients.matchAll({ type: "window" });
  const window = windows.find(({ url }) => url === address) ?? windows[0];
  if (window === undefined) await scope.clients.openWindow(address);
  else {
    if (window.url !== address) await window.navigate(address);
    await window.focus();
  }
}

/** The server's page; the kept one when there is no server, or a proxy says that there is none. */
async function fresh(request: Request): Promise<Response> {
  const cached = () => caches.match(page, { cacheName: name });
  try {
    const response = await fetch(request);
    return response.status < 500 ? response : await cached() ?? response;
  } catch (error) {
    const response = await cached();
    if (response === undefined) throw error;
    return response;
  }
}

async function kept(request: Request): Promise<Response> {
  return await caches.match(request, { cacheName: name }) ?? await fetch(request);
}
