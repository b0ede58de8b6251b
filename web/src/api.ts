/** The server's API, typed: every request of the page goes through here. */

import { signal } from "@preact/signals";

export interface Gallery {
  name: string;
  subjects: number;
  examples: number;
  revision: string;
  model: string;
  keeps_pictures: boolean;
}
export type Role = "read" | "enroll" | "admin";
export interface Galleries {
  galleries: Gallery[];
  role: Role;
}
export interface Subject {
  name: string;
  examples: number;
  created: string;
}
export interface Subjects {
  subjects: Subject[];
  total: number;
  next: string | null;
}
export interface Example {
  id: number;
  subject: string;
  source: string;
  created: string;
  has_picture: boolean;
}
export interface Examples {
  examples: Example[];
  next: string | null;
}
export interface Rejection {
  id: number;
  subject: string;
  source: string;
  created: string;
}
export interface LeftOut {
  name: string;
  reason: string;
}
export interface Enrolled {
  subject: string;
  added: number;
  examples: number[];
  duplicates: string[];
  warnings: string[];
  skipped: LeftOut[];
}
export interface Match {
  id: number;
  source: string;
  distance: number | null;
}
export interface Candidate {
  subject: string;
  distance: number | null;
  examples: Match[];
}
export interface Identified {
  decision: "known" | "uncertain" | "unknown" | "uncalibrated";
  subject: string | null;
  distance: number | null;
  p_value: number | null;
  probability: number | null;
  candidates: Candidate[];
  excluded: string[];
  target_fpir: number | null;
  note: string;
}
/** A picture to name; those with the same `group` probably show the same. */
export interface Review {
  id: number;
  kind: ReviewKind;
  group: number;
  source: string;
  created: string;
  p_value: number | null;
  probability: number | null;
  target_fpir: number | null;
  candidates: Candidate[];
  has_picture: boolean;
}
export type ReviewKind = "unknown" | "uncertain";
export interface Reviews {
  reviews: Review[];
  total: number;
  unknown: number;
  uncertain: number;
  is_keeping: boolean;
  next: string | null;
}
/** Maps of cells (rows, columns) over a picture of `width` by `height`: which parts matter. */
export interface Evidence {
  subject: string | null;
  runner_up: string | null;
  distance: number | null;
  width: number;
  height: number;
  cell: number | null;
  saliency: number[][] | null;
  contrast: number[][] | null;
}
export interface Calibration {
  is_calibrated: boolean;
  fpir?: number | null;
  n?: number | null;
  uncertain?: number | null;
  interval?: { low: number; high: number } | null;
  is_stale?: boolean | null;
}
/** What a rate of false names costs: the share of enrolled pictures that is missed, and of these that is named wrongly. */
export interface CurvePoint {
  fpir: number;
  threshold: number | null;
  fnir: number | null;
  fnir_interval: { low: number; high: number } | null;
  wrong: number | null;
}
export interface Curve {
  is_calibrated: boolean;
  fpir: number | null;
  kind: "subjects" | "strangers";
  n: number;
  weight: number;
  scoring: string;
  probes: number;
  subjects: number;
  points: CurvePoint[];
  required: { fpir: number; size: number; missing: number; strangers: number }[];
}
/** An enrolled picture, left out, that is named from the rate `fpir` on. */
export interface Change {
  id: number;
  subject: string;
  named: string;
  nearest: number;
  fpir: number;
  has_picture: boolean;
}
export interface Changes {
  changes: Change[];
  total: number;
  next: string | null;
}
export type MapMethod = "pca" | "tsne" | "umap";
/** The examples in two dimensions, as columns; coordinates are within −1..1, and `subject` are places in `subjects`. */
export interface MapColumns {
  method: MapMethod;
  ids: number[];
  subject: number[];
  subjects: string[];
  x: number[];
  y: number[];
  revision: string;
  is_current: boolean;
}
export interface Merge {
  id: number;
  source: string;
  into: string;
  moved: number;
}
export interface Job {
  id: string;
  kind: string;
  created: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  done: number;
  total: number;
  result: unknown;
  problem: { status: number; detail: string; kind: string } | null;
}
export type FindingKind = "mislabel" | "duplicate" | "outlier" | "merge" | "split";
export interface FoundExample {
  number: number;
  subject: string;
  source: string;
}
/** What may be wrong in a gallery: the suspect examples come first, then some to compare them with. */
export interface Finding {
  kind: FindingKind;
  score: number;
  subjects: string[];
  examples: FoundExample[];
  /** Of a split: the numbers of the examples of each group. */
  groups: number[][];
}
export interface CheckResult {
  findings: Finding[];
  examples: number;
  subjects: number;
  single_example_subjects: number;
}
export interface ImportResult {
  subjects: number;
  added: number;
  duplicates: number;
  skipped: LeftOut[];
  skipped_count: number;
  warning_count: number;
}
/** The part of a picture that is used: left, top, right, bottom, in pixels of the upright picture. */
export type Box = [number, number, number, number];
export interface Upload {
  file: Blob;
  name: string;
  box: Box | null;
}

/** An error that the server answered: `kind` is the last part of its type, `detail` one sentence in English. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    readonly detail: string,
    readonly requestId: string,
  ) {
    super(detail);
  }
}

/** The server could not be reached for minutes. */
export class Unreachable extends Error {}

/** Whether the server answers; while it does not, a banner says so and requests wait. */
export const isReachable = signal(true);
let unsent = 0; // requests with changes that wait for the server
/** Whether changes wait for a server that went away: they are lost if the page is closed. */
export function isWaitingToSend(): boolean {
  return unsent > 0;
}
/** Seconds that requests wait because the server has too much to do; 0 if they do not. */
export const busyFor = signal(0);
/** Why a key is asked for; null if it is not. */
export const keyAsked = signal<"needed" | "refused" | null>(null);

const KEY = "semelha-key";
const PATIENCE = 10 * 60_000; // milliseconds that a request waits for a server that went away
const TRIES = 6; // of a request that the server is too busy for
let key = sessionStorage.getItem(KEY) ?? "";
let keyWaits: { promise: Promise<void>; resolve: () => void } | null = null;

/** Whether requests send a key: pictures are then fetched with it. */
export function hasKey(): boolean {
  return key !== "";
}

/** Use a key from now on, and send again what waited for it; an empty one forgets it. */
export function useKey(given: string): void {
  key = given.trim();
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  keyAsked.value = null;
  keyWaits?.resolve();
  keyWaits = null;
}

interface Options {
  query?: Record<string, string | number | boolean | undefined>;
  json?: unknown;
  body?: BodyInit;
  accept?: string;
  type?: string;
  signal?: AbortSignal;
  /** Whether it is sent though the page is closed meanwhile. */
  keepalive?: boolean;
}

/** The address of a path of the API, below the address of the page. */
export function address(path: string, query: Options["query"] = {}): string {
  const url = new URL(`api/v1/${path}`, document.baseURI.split("#")[0]);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  return url.href;
}

/** Send a request, again where that is safe. Throws `Problem`, `Unreachable`, or an AbortError. */
export async function send(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers = new Headers({ Accept: options.accept ?? "application/json" });
  if (method !== "GET") headers.set("Idempotency-Key", randomId());
  if (options.type) headers.set("Content-Type", options.type);
  let body = options.body;
  if (options.json !== undefined) {
    headers.set("Content-Type", "application/json");
    body = JSON.stringify(options.json);
  }
  const giveUp = Date.now() + PATIENCE;
  for (let attempt = 1; ; attempt++) {
    const sentKey = key;
    if (key) headers.set("Authorization", `Bearer ${key}`);
    let answer: Response;
    try {
      answer = await fetch(address(path, options.query), { method, headers, body, signal: options.signal, keepalive: options.keepalive, credentials: "omit" });
    } catch (error) {
      if (options.signal?.aborted || !(error instanceof TypeError)) throw error;
      if (Date.now() > giveUp) throw new Unreachable();
      if (method !== "GET") unsent++;
      await untilReachable(options.signal).finally(() => method !== "GET" && unsent--);
      continue;
    }
    isReachable.value = true;
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (problem.status === 401) {
      await keyGiven(sentKey ? "refused" : "needed", sentKey);
      continue;
    }
    const mayRepeat = problem.status === 429 || problem.kind === "in-progress" || (problem.status === 503 && (method === "GET" || problem.kind !== "deadline"));
    if (!mayRepeat || attempt >= TRIES) throw problem;
    const seconds = Math.max(Number(answer.headers.get("Retry-After")) || 0, 0.25 * 2 ** attempt) + Math.random() / 4;
    if (problem.status === 429) busyFor.value = Math.ceil(seconds);
    await pause(seconds * 1000, options.signal);
    busyFor.value = 0;
  }
}

async function read<T>(method: string, path: string, options?: Options): Promise<T> {
  return (await (await send(method, path, options)).json()) as T;
}

async function problemOf(answer: Response): Promise<Problem> {
  const found = (await answer.json().catch(() => ({}))) as { type?: string; detail?: string; request_id?: string };
  const kind = found.type?.split(":").at(-1) ?? "";
  const id = found.request_id ?? answer.headers.get("X-Request-ID") ?? "";
  return new Problem(answer.status, kind, found.detail ?? `${answer.status} ${answer.statusText}`, id);
}

/** Wait until the key is another one than that which was sent. */
async function keyGiven(why: "needed" | "refused", sent: string): Promise<void> {
  if (key !== sent) return;
  if (!keyWaits) {
    let resolve = () => {};
    const promise = new Promise<void>((done) => (resolve = done));
    keyWaits = { promise, resolve };
  }
  keyAsked.value = why;
  await keyWaits.promise;
}

let probing: Promise<void> | null = null;

/** Ask the server whether it is there, until it is. */
export async function untilReachable(signal?: AbortSignal): Promise<void> {
  isReachable.value = false;
  probing ??= (async () => {
    for (let wait = 500; ; wait = Math.min(wait * 1.5, 5000)) {
      await pause(wait);
      const answer = await fetch(new URL("healthz", document.baseURI.split("#")[0]), { cache: "no-store" }).catch(() => null);
      if (answer?.ok) break;
    }
    isReachable.value = true;
    probing = null;
  })();
  await Promise.race([probing, aborted(signal)]);
}

function aborted(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const passed = new Promise<void>((done) => setTimeout(done, milliseconds));
  return signal ? Promise.race([passed, aborted(signal)]) : passed;
}

/** crypto.randomUUID is missing where the page is not served by https or on this machine. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
}

function form(pictures: Upload[], more: Record<string, string> = {}): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(more)) made.append(name, value);
  const hasBoxes = pictures.some((one) => one.box);
  for (const one of pictures) {
    made.append("picture", one.file, one.name || "picture");
    if (hasBoxes) made.append("box", one.box ? one.box.join(",") : "");
  }
  return made;
}

export const listGalleries = () => read<Galleries>("GET", "galleries");

/** The endpoints of one gallery. */
export function galleryApi(gallery: string) {
  const at = (path: string) => `galleries/${encodeURIComponent(gallery)}${path}`;
  const subject = (name: string, path = "") => at(`/subjects/${encodeURIComponent(name)}${path}`);
  return {
    info: (signal?: AbortSignal) => read<Gallery>("GET", at(""), { signal }),
    identify: async (picture: Upload, signal?: AbortSignal) => {
      const options = { body: form([picture]), query: { k: 5 }, signal };
      const found = await read<{ answers: Identified[]; model: string }>("POST", at("/identify"), options);
      return { answer: found.answers[0] as Identified, model: found.model };
    },
    evidence: (picture: Upload, signal?: AbortSignal) =>
      read<Evidence>("POST", at("/explain"), { body: form([picture]), query: { format: "json" }, signal }),
    explain: async (picture: Upload, signal?: AbortSignal) =>
      (await send("POST", at("/explain"), { body: form([picture]), query: { k: 3 }, accept: "image/png", signal })).blob(),
    subjects: (query: { search?: string; sort?: string; limit?: number; cursor?: string }, signal?: AbortSignal) =>
      read<Subjects>("GET", at("/subjects"), { query, signal }),
    subject: (name: string) => read<Subject>("GET", subject(name)),
    enroll: (name: string, pictures: Upload[]) => read<Enrolled>("POST", at("/subjects"), { body: form(pictures, { name }) }),
    rename: (name: string, to: string) => read<Subject>("PATCH", subject(name), { json: { name: to } }),
    removeSubject: (name: string) => read<{ removed: string; examples: number }>("DELETE", subject(name)),
    merge: (name: string, into: string) => read<Merge>("POST", subject(name, "/merge"), { json: { into } }),
    merges: () => read<Merge[]>("GET", at("/merges")),
    undoMerge: (id: number) => read<Subject>("POST", at(`/merges/${id}/undo`)),
    examples: (name: string, cursor?: string) => read<Examples>("GET", subject(name, "/examples"), { query: { cursor, limit: 200 } }),
    removeExample: (id: number, keepalive = false) =>
      read<{ subject_removed: boolean }>("DELETE", at(`/examples/${id}`), { keepalive }),
    moveExample: (id: number, to: string) => read<Example>("POST", at(`/examples/${id}/move`), { json: { subject: to } }),
    reject: (picture: Upload, name: string) => read<{ id: number }>("POST", at("/reject"), { body: form([picture], { subject: name }) }),
    rejections: (name: string) => read<Rejection[]>("GET", subject(name, "/rejections")),
    withdraw: (id: number) => read<unknown>("DELETE", at(`/rejections/${id}`)),
    reviews: (query: { kind?: ReviewKind; limit?: number; cursor?: string }) => read<Reviews>("GET", at("/reviews"), { query }),
    resolveReviews: (ids: number[], name: string, keepalive = false) =>
      read<Enrolled>("POST", at("/reviews/resolve"), { json: { ids, subject: name }, keepalive }),
    dismissReviews: (ids: number[], keepalive = false) => read<unknown>("POST", at("/reviews/dismiss"), { json: { ids }, keepalive }),
    calibration: () => read<Calibration>("GET", at("/calibration")),
    calibrate: (fpir: number, more: { scoring?: string; uncertain?: number } = {}) =>
      read<Job>("POST", at("/calibration"), { json: { fpir, ...more }, query: { wait: 30 } }),
    map: (method: MapMethod, signal?: AbortSignal) => read<MapColumns>("GET", at("/map"), { query: { method }, signal }),
    computeMap: (method: MapMethod) => read<Job>("POST", at("/map"), { json: { method }, query: { wait: 0 } }),
    curve: (signal?: AbortSignal) => read<Curve>("GET", at("/calibration/curve"), { signal }),
    changes: (query: { before: number; after: number; probes: string; limit: number; cursor?: string }, signal?: AbortSignal) =>
      read<Changes>("GET", at("/calibration/changes"), { query, signal }),
    check: () => read<Job>("POST", at("/check"), { query: { wait: 0 } }),
    import: (archive: Blob, wait = 0) =>
      read<Job>("POST", at("/imports"), { body: archive, type: "application/zip", query: { wait } }),
    jobs: () => read<{ jobs: Job[] }>("GET", at("/jobs")),
    job: (id: string) => read<Job>("GET", at(`/jobs/${id}`)),
    cancelJob: (id: string) => read<Job>("DELETE", at(`/jobs/${id}`)),
    thumbnail: (id: number, side = 256) => ({ path: at(`/examples/${id}/thumbnail`), query: { side } }),
    reviewThumbnail: (id: number, side = 256) => ({ path: at(`/reviews/${id}/thumbnail`), query: { side } }),
    rejectionThumbnail: (id: number, side = 256) => ({ path: at(`/rejections/${id}/thumbnail`), query: { side } }),
    image: (id: number) => ({ path: at(`/examples/${id}/image`), query: {} }),
    subjectThumbnail: (name: string, examples: number, side = 256) => ({
      path: subject(name, "/thumbnail"),
      query: { side, of: examples },
    }),
  };
}
export type GalleryApi = ReturnType<typeof galleryApi>;
