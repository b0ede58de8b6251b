/** What a check of the gallery has found: the job that looks for it, and what has been done with each finding. */

import { computed, signal } from "@preact/signals";
import { Problem, type CheckResult, type Finding, type FindingKind, type GalleryApi, type Job } from "./api";

export interface Shown extends Finding {
  /** Which finding it is, without a name. */
  key: string;
}

const POLL = 700; // milliseconds
const MOST = 5000; // findings that are remembered as settled
export const KINDS: FindingKind[] = ["mislabel", "duplicate", "merge", "split", "outlier"];

/** The latest check; null if there is none, undefined if that is not known yet. */
export const job = signal<Job | null | undefined>(undefined);
export const failure = signal<unknown>(null);
export const result = computed(() => (job.value?.state === "done" ? (job.value.result as CheckResult | null) : null));

interface Settled {
  /** Findings that the user has said to be right as they are. */
  kept: string[];
  /** The job of which others are settled, and examples that were moved or removed since. */
  job: string;
  done: string[];
  touched: number[];
}
const NOTHING: Settled = { kept: [], job: "", done: [], touched: [] };
const settled = signal<Settled>(NOTHING);
/** Subjects that were merged since, and into which. */
const merged = signal<ReadonlyMap<string, string>>(new Map());
let stored = "";
let following = 0;

/** The findings that are left. */
export const findings = computed<Shown[]>(() => {
  const kept = new Set(settled.value.kept);
  const done = new Set(settled.value.done);
  const touched = new Set(settled.value.touched);
  return (result.value?.findings ?? [])
    .map((one) => ({ ...renamed(one), key: keyOf(one) }))
    .filter((one) => !kept.has(one.key) && !done.has(one.key) && !suspects(one).some((id) => touched.has(id)))
    .filter((one) => new Set(one.subjects).size === one.subjects.length)
    .map((one) => ({ ...one, examples: one.examples.filter((each) => !touched.has(each.number)) }));
});
/** How many findings of this check were kept as they are. */
export const keptCount = computed(() => {
  const kept = new Set(settled.value.kept);
  return (result.value?.findings ?? []).filter((one) => kept.has(keyOf(one))).length;
});

/** The examples of which a finding says that something is wrong with them. */
export function suspects(one: Finding): number[] {
  const numbers = one.examples.map((each) => each.number);
  if (one.kind === "merge" || one.kind === "split") return [];
  return one.kind === "duplicate" ? numbers : numbers.slice(0, 1);
}

function keyOf(one: Finding): string {
  const ids = suspects(one);
  return `${one.kind} ${(ids.length ? ids : one.examples.map((each) => each.number)).join(" ")}`;
}

function nameNow(name: string): string {
  const into = merged.value.get(name);
  return into === undefined ? name : nameNow(into);
}

function renamed(one: Finding): Finding {
  if (merged.value.size === 0) return one;
  return {
    ...one,
    subjects: one.subjects.map(nameNow),
    examples: one.examples.map((each) => ({ ...each, subject: nameNow(each.subject) })),
  };
}

/** Find the latest check of a gallery, and follow it until it ends. */
export async function openCheck(server: GalleryApi, gallery: string): Promise<void> {
  if (stored !== `semelha-care-${gallery}`) {
    stored = `semelha-care-${gallery}`;
    job.value = undefined;
    merged.value = new Map();
    const text = localStorage.getItem(stored);
    settled.value = text ? { ...NOTHING, ...(JSON.parse(text) as Partial<Settled>) } : NOTHING;
  }
  const before = job.value;
  const latest = async () => {
    const found = (await server.jobs()).jobs.find((one) => one.kind === "check") ?? null;
    return before?.result && found?.id === before.id ? before : found; // the server may have forgotten the result after a merge
  };
  await follow(latest, server);
}

export async function startCheck(server: GalleryApi): Promise<void> {
  merged.value = new Map();
  await follow(() => server.check(), server);
}

/** Stop the check: nothing of it is remembered. */
export async function stopCheck(server: GalleryApi): Promise<void> {
  const present = job.value;
  following++;
  if (present) await server.cancelJob(present.id);
  job.value = null;
}

/** Follow no more, such as when the view is left. */
export function closeCheck(): void {
  following++;
}

async function follow(first: () => Promise<Job | null>, server: GalleryApi): Promise<void> {
  const mine = ++following;
  failure.value = null;
  try {
    let found = await first();
    for (;;) {
      if (mine !== following) return;
      job.value = found?.state === "cancelled" ? null : found;
      if (!found || (found.state !== "queued" && found.state !== "running")) break;
      await new Promise((done) => setTimeout(done, POLL));
      if (mine !== following) return;
      found = await server.job(found.id);
    }
    if (!found) return;
    if (found.problem) failure.value = new Problem(found.problem.status, found.problem.kind, found.problem.detail, "");
    if (settled.value.job !== found.id) save({ ...settled.value, job: found.id, done: [], touched: [] });
  } catch (error) {
    if (mine !== following) return;
    failure.value = error;
    job.value = null;
  }
}

function save(next: Settled): void {
  settled.value = next;
  localStorage.setItem(stored, JSON.stringify({ ...next, kept: next.kept.slice(-MOST), done: next.done.slice(-MOST) }));
}

/** Say that a finding is right as it is, in this browser; returns what takes it back. */
export function keep(key: string): () => void {
  save({ ...settled.value, kept: [...settled.value.kept, key] });
  return () => save({ ...settled.value, kept: settled.value.kept.filter((one) => one !== key) });
}

/** Show again what was kept as it is. */
export function forgetKept(): void {
  save({ ...settled.value, kept: [] });
}

/** Leave out a finding that was dealt with, and others of examples that were moved or removed; returns what takes it back. */
export function settle(key: string, examples: number[] = []): () => void {
  const { done, touched } = settled.value;
  save({ ...settled.value, done: [...done, key], touched: [...touched, ...examples] });
  return () => {
    const back = new Set(examples);
    const now = settled.value;
    save({ ...now, done: now.done.filter((one) => one !== key), touched: now.touched.filter((id) => !back.has(id)) });
  };
}

/** Use the name of the subject that another one was merged into; returns what takes it back. */
export function noteMerge(source: string, into: string): () => void {
  merged.value = new Map([...merged.value, [source, into]]);
  return () => {
    merged.value = new Map([...merged.value].filter(([name]) => name !== source));
  };
}
