/** The pictures to name, in groups: read page by page, and sent when what was done with them cannot be undone any more. */

import { computed, signal } from "@preact/signals";
import type { Candidate, GalleryApi, Review, ReviewKind, Reviews } from "./api";
import { reviewsOfServer, reviewsUnsent } from "./state";

export type ShownKind = "all" | ReviewKind;
export interface Group {
  id: number;
  reviews: Review[];
}

const PAGE = 100; // reviews
const MOST = 1000; // reviews of a request
const read = signal<Review[]>([]);
const taken = signal<ReadonlySet<number>>(new Set());
/** The page that was read last: how many there are, and whether there are more. */
export const page = signal<Reviews | null>(null);
export const failure = signal<unknown>(null);
export const isReading = signal(false);
export const kind = signal<ShownKind>("all");
let readings = 0;

/** Groups that have been read as a whole. The last one may go on in the next page. */
export const groups = computed<Group[]>(() => {
  const found = new Map<number, Review[]>();
  for (const one of read.value) {
    const group = found.get(one.group);
    if (group) group.push(one);
    else found.set(one.group, [one]);
  }
  const all = Array.from(found, ([id, reviews]) => ({ id, reviews }));
  if (page.value?.next) all.pop();
  return all
    .map(({ id, reviews }) => ({ id, reviews: reviews.filter((one) => !taken.value.has(one.id)) }))
    .filter(({ reviews }) => reviews.length > 0);
});
/** Those of each kind that are left, as far as this page knows. */
export const counts = computed(() => {
  const gone = read.value.filter((one) => taken.value.has(one.id));
  const unknown = (page.value?.unknown ?? 0) - gone.filter((one) => one.kind === "unknown").length;
  const uncertain = (page.value?.uncertain ?? 0) - gone.filter((one) => one.kind === "uncertain").length;
  return { all: unknown + uncertain, unknown, uncertain };
});

/** Read the first groups of a kind. */
export async function readFirst(server: GalleryApi, chosen: ShownKind): Promise<void> {
  kind.value = chosen;
  const mine = ++readings;
  await pages(server, mine, true);
}

export async function readMore(server: GalleryApi): Promise<void> {
  if (!isReading.value && page.value?.next) await pages(server, readings, false);
}

async function pages(server: GalleryApi, mine: number, isFirst: boolean): Promise<void> {
  isReading.value = true;
  failure.value = null;
  const before = isFirst ? 0 : groups.value.length;
  let cursor = isFirst ? undefined : (page.value?.next ?? undefined);
  try {
    do {
      const query = { kind: kind.value === "all" ? undefined : kind.value, limit: PAGE, cursor };
      const found = await server.reviews(query);
      if (mine !== readings) return;
      const known = new Set(isFirst ? [] : read.value.map((one) => one.id));
      const added = found.reviews.filter((one) => !known.has(one.id));
      read.value = isFirst ? added : [...read.value, ...added];
      if (isFirst) taken.value = new Set();
      page.value = found;
      reviewsOfServer.value = found.unknown + found.uncertain;
      cursor = found.next ?? undefined;
      isFirst = false;
    } while (cursor && groups.value.length <= before); // a group that fills pages
  } catch (error) {
    if (mine === readings) failure.value = error;
  }
  if (mine === readings) isReading.value = false;
}

/** Leave reviews out of the groups; returns what puts them back. */
export function take(ids: number[]): () => void {
  taken.value = new Set([...taken.value, ...ids]);
  reviewsUnsent.value += ids.length;
  return () => {
    reviewsUnsent.value -= ids.length;
    const back = new Set(ids);
    taken.value = new Set([...taken.value].filter((id) => !back.has(id)));
  };
}

/** Enroll reviews as a subject, or dismiss them if it is null. */
export async function sendReviews(server: GalleryApi, ids: number[], name: string | null, isLeaving: boolean): Promise<void> {
  for (let start = 0; start < ids.length; start += MOST) {
    const some = ids.slice(start, start + MOST);
    if (name === null) await server.dismissReviews(some, isLeaving);
    else await server.resolveReviews(some, name, isLeaving);
  }
}

/** The subject that most pictures of a group are most similar to, with the nearest of its examples; the nearest of several. */
export function likeliest(reviews: Review[]): { nearest: Candidate; of: Review } | null {
  const found = new Map<string, { votes: number; nearest: Candidate; of: Review }>();
  for (const one of reviews) {
    const [nearest] = one.candidates;
    if (!nearest) continue;
    const former = found.get(nearest.subject);
    const isNearer = !former || distance(nearest) < distance(former.nearest);
    const best = isNearer ? { nearest, of: one } : former;
    found.set(nearest.subject, { ...best, votes: (former?.votes ?? 0) + 1 });
  }
  const [first] = Array.from(found.values()).sort((a, b) => b.votes - a.votes || distance(a.nearest) - distance(b.nearest));
  return first ?? null;
}

/** Subjects that pictures of a group are similar to, the nearest first. */
export function candidates(reviews: Review[]): string[] {
  const found = new Map<string, number>();
  for (const one of reviews) {
    for (const each of one.candidates) found.set(each.subject, Math.min(distance(each), found.get(each.subject) ?? Infinity));
  }
  return Array.from(found)
    .sort((a, b) => a[1] - b[1])
    .map(([name]) => name);
}

function distance(one: Candidate): number {
  return one.distance ?? Infinity;
}
