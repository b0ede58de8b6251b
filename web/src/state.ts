/** What all views share: the galleries, the present one, notices, and the theme. */

import { computed, effect, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { galleryApi, isReachable, listGalleries, type Calibration, type Gallery, type Role } from "./api";
import { replace, route } from "./route";

export const galleries = signal<Gallery[] | null>(null);
export const role = signal<Role>("read");
export const loadError = signal<unknown>(null);
export const calibration = signal<Calibration | null>(null);
/** Pictures that wait for review on the server, and those of them that were named or dismissed but not sent yet. */
export const reviewsOfServer = signal(0);
export const reviewsUnsent = signal(0);
export const reviewCount = computed(() => Math.max(0, reviewsOfServer.value - reviewsUnsent.value));
/** Whether the gallery has got another model since the page was opened. */
export const isMigrated = signal(false);

export const gallery = computed(() => galleries.value?.find((one) => one.name === route.value.gallery) ?? null);
export const api = computed(() => galleryApi(route.value.gallery));
export const mayEnroll = computed(() => role.value !== "read");
export const mayCalibrate = computed(() => role.value === "admin");

const POLL = 15_000;

/** Read the galleries. */
export async function load(): Promise<void> {
  loadError.value = null;
  try {
    const found = await listGalleries();
    galleries.value = found.galleries;
    role.value = found.role;
  } catch (error) {
    loadError.value = error;
  }
}

/** Read the gallery and its calibration again, after a change or because others may have changed it. */
export async function refresh(): Promise<void> {
  const name = route.value.gallery;
  if (!name || !galleries.value) return;
  const server = api.value;
  const [found, rule, reviews] = await Promise.all([server.info(), server.calibration(), server.reviews({ limit: 1 })]);
  const before = galleries.value.find((one) => one.name === name);
  if (before && before.model !== found.model) isMigrated.value = true;
  galleries.value = galleries.value.map((one) => (one.name === name ? found : one));
  if (route.value.gallery !== name) return;
  calibration.value = rule;
  reviewsOfServer.value = reviews.total;
}

/** As `refresh`, without waiting. If it fails, it is tried again soon. */
export function refreshLater(): void {
  void refresh().catch(() => {});
}

let calibrated = "";
effect(() => {
  const first = galleries.value?.[0];
  if (first && !gallery.value) replace(first.subjects ? "identify" : "start", "", first.name);
});
const name = computed(() => route.value.gallery);
effect(() => {
  if (name.value && galleries.value?.some((one) => one.name === name.value) && calibrated !== name.value) {
    calibrated = name.value;
    calibration.value = null;
    reviewsOfServer.value = 0;
    refreshLater();
  }
});

setInterval(() => {
  if (document.visibilityState === "visible" && isReachable.value) refreshLater();
}, POLL);

export interface Notice {
  id: number;
  text: ComponentChildren;
  kind: "done" | "problem";
  undo?: () => Promise<void>;
  request?: string;
}
export const notices = signal<Notice[]>([]);
/** Whether the pointer or the focus is on them: none goes away then. */
export const areNoticesRead = signal(false);
let latest = 0;
const SHOWN = 12_000; // milliseconds of a notice without an error
const SHOWN_UNDO = 20_000; // of one that can be undone

/** Show a notice, which goes away unless it is a problem. */
export function notify(notice: Omit<Notice, "id">): void {
  const id = ++latest;
  notices.value = [...notices.value.slice(-2), { ...notice, id }];
  if (notice.kind === "done") setTimeout(() => expire(id), notice.undo ? SHOWN_UNDO : SHOWN);
}

/** Problems are those of a view: they go away when another one is opened. */
const view = computed(() => route.value.view);
effect(() => {
  if (view.value) notices.value = notices.peek().filter((one) => one.kind !== "problem");
});

function expire(id: number): void {
  if (areNoticesRead.value) setTimeout(() => expire(id), SHOWN / 4);
  else dismiss(id);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
  if (notices.value.length === 0) areNoticesRead.value = false; // its last one is gone with pointer and focus
}

export type Theme = "auto" | "light" | "dark";
const THEME = "semelha-theme";
export const theme = signal<Theme>((localStorage.getItem(THEME) as Theme | null) ?? "auto");
effect(() => {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem(THEME, theme.value);
});
