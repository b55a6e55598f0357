// The page without a network, and as an app.

// Call `cached` once the page works offline.
export async function keepOffline(cached) {
  if (!navigator.serviceWorker) return;
  await navigator.serviceWorker.register(new URL("./sw.js", import.meta.url));
  await navigator.serviceWorker.ready;
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
