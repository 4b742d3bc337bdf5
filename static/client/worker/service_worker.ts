// The service worker: serves the page from a cache while the server is unreachable, and opens rooms
// from notifications. It tries the server first, so that a new version of the page shows at once.
// Imports nothing.

interface Scope extends ServiceWorkerGlobalScope {
  /** Paths of the page's files, the page itself first. The server prepends this to the script. */
  readonly shell: { readonly version: string; readonly paths: readonly [string, ...string[]] };
}

const scope = globalThis as unknown as Scope;
const { version, paths } = scope.shell;
const [page] = paths;
/** Includes the page's path, since another chat may share the origin. */
const cachePrefix = `parley ${page} `;
const cacheName = cachePrefix + version;
/** How long to wait for the server before showing the cached page. */
const serverTimeoutMs = 2_000;

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || request.method !== "GET") return;
  const isPage = pathname === page || pathname.startsWith(`${page}r/`);
  if (request.mode === "navigate" && isPage) event.respondWith(networkFirst(request));
  else if (pathname !== page && paths.includes(pathname)) event.respondWith(cacheFirst(request));
});

scope.addEventListener("notificationclick", (event) => {
  const { notification } = event;
  notification.close();
  const url = new URL(String(notification.data), location.origin);
  if (url.origin === location.origin) event.waitUntil(openRoom(url.href));
});

async function install(): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.addAll([...paths]);
  await scope.skipWaiting();
}

/** Deletes the caches of earlier versions. */
async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(cachePrefix) && name !== cacheName) await caches.delete(name);
  }
  await scope.clients.claim();
}

/** Returns the server's page, or the cached one if the server or a proxy fails or is slow. */
async function networkFirst(request: Request): Promise<Response> {
  const response = fetch(request);
  const cached = await caches.match(page, { cacheName });
  if (cached === undefined) return await response;
  return await Promise.race([
    response.then((it) => it.status < 500 ? it : cached, () => cached),
    new Promise<Response>((resolve) => setTimeout(resolve, serverTimeoutMs, cached)),
  ]);
}

/** Returns a file from the cache; its name changes with its content. */
async function cacheFirst(request: Request): Promise<Response> {
  return await caches.match(request, { cacheName, ignoreSearch: true }) ?? await fetch(request);
}

/** Shows a room in an open window of the page, or in a new one. */
async function openRoom(url: string): Promise<void> {
  const windows = await scope.clients.matchAll({ type: "window" });
  const window = windows.find((client) => client.url === url) ?? windows[0];
  if (window === undefined) await scope.clients.openWindow(url);
  else {
    if (window.url !== url) await window.navigate(url);
    await window.focus();
  }
}
