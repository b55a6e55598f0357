// Keeps the page's files, and answers with them before it asks the network.

importScripts("files.js"); // FILES and VERSION, written when the page is built.

const CACHE = `skinseg-${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      // Asked for again, or an update would be made of the browser's old copies.
      await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith("skinseg-"));
      await Promise.all(names.filter((name) => name != CACHE).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  event.respondWith(
    (async () => {
      const cache = await caches.open(CACHE);
      const found = await cache.match(event.request, { ignoreSearch: true });
      return found ?? fetch(event.request);
    })(),
  );
});
