/** Addresses of the page: `#/gallery/view/argument`. */

import { signal } from "@preact/signals";

export interface Route {
  gallery: string;
  view: string;
  argument: string;
}

function parse(): Route {
  const [gallery = "", view = "", argument = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  return { gallery, view, argument };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal<Route>(parse());
addEventListener("hashchange", () => (route.value = parse()));

/** The address of a view of the present gallery. */
export function href(view: string, argument = "", gallery = route.value.gallery): string {
  const parts = [gallery, view, argument].map(encodeURIComponent);
  return `#/${parts.join("/")}`.replace(/\/+$/, "");
}

export function go(view: string, argument = "", gallery = route.value.gallery): void {
  location.hash = href(view, argument, gallery);
}

/** Replace the address, without a step of the browser's history. */
export function replace(view: string, argument = "", gallery = route.value.gallery): void {
  history.replaceState(null, "", href(view, argument, gallery));
  route.value = parse();
}
