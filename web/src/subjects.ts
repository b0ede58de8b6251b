/** The subjects of the gallery as the grid shows them: all pages of the server's list, for a search and an order. */

import { signal } from "@preact/signals";
import type { Subject } from "./api";
import { api, gallery } from "./state";

export const ORDERS = ["name", "-created", "-examples", "examples"] as const;
export type Order = (typeof ORDERS)[number];

export const search = signal("");
export const order = signal<Order>("name");
export const subjects = signal<Subject[] | null>(null);
export const total = signal(0);
export const listError = signal<unknown>(null);

const PAGE = 1000;
let shown = ""; // the gallery, search, order and revision of the list
let stop = new AbortController();

/** Read the list, unless it is the one that is there. What was there stays until the first page has come. */
export async function list(): Promise<void> {
  const wanted = [gallery.value?.name, search.value, order.value, gallery.value?.revision].join("\n");
  if (wanted === shown) return;
  const isSameGallery = shown.split("\n")[0] === gallery.value?.name;
  shown = wanted;
  stop.abort();
  const mine = (stop = new AbortController());
  if (!isSameGallery) subjects.value = null;
  listError.value = null;
  const found: Subject[] = [];
  try {
    for (let cursor: string | undefined; ; ) {
      const query = { search: search.value.trim(), sort: order.value, limit: PAGE, cursor };
      const page = await api.value.subjects(query, mine.signal);
      found.push(...page.subjects);
      total.value = page.total;
      const isWhole = page.next === null;
      if (isWhole || found.length >= (subjects.value?.length ?? 0)) subjects.value = [...found];
      if (page.next === null) return;
      cursor = page.next;
    }
  } catch (error) {
    if (mine.signal.aborted) return;
    shown = "";
    listError.value = error;
  }
}
