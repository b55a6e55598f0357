// The page without a network, and as an app.

// Call `cached` once the page works offline. Where a newer page has come, show it, if `idle()`.
export async function keepOffline(cached, idle) {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const kept = workers.controller !== null;
  workers.addEventListener("controllerchange", () => kept && idle() && location.reload());
  await workers.register(new URL("./sw.js", import.meta.url));
  await workers.ready;
  cached();
}

// Show a button where the browser offers to install the page.
export function offerInstall(button) {
  let offer = null;
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event;
    button.hidden = false;
  });
  button.addEventListener("click", async () => {
    button.hidden = true;
    await offer.prompt();
  });
}
