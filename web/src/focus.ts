/** Keeps the focus of the keyboard when its element goes away or cannot be used for a while. */

let latest: Element | null = null;
let around: HTMLElement[] = []; // what can be focused around it, from the inside out

/** Watch which element has the focus, and what happens to it. */
export function keepFocus(): void {
  addEventListener("focusin", (event) => {
    latest = event.target as Element;
    around = [];
    for (let one = latest.parentElement; one; one = one.parentElement) if (one.hasAttribute("tabindex")) around.push(one);
  });
  addEventListener("pointerdown", () => (latest = null), { capture: true }); // whoever points elsewhere means to leave it
  const observer = new MutationObserver(restore);
  observer.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });
}

function restore(): void {
  if (!latest || document.activeElement !== document.body || !document.hasFocus()) return;
  const target = latest.isConnected ? latest : (around.find((one) => one.isConnected) ?? document.getElementById("main"));
  if (target instanceof HTMLElement && !target.matches(":disabled")) target.focus({ preventScroll: true });
}
