/** A folder of folders is enrolled: packed in parts, sent, and followed as jobs, which go on when the page is closed. */

import { signal } from "@preact/signals";
import { galleryApi, pause, Problem, type ImportResult, type Job, type LeftOut } from "./api";
import { isPicture, type Found } from "./parts/files";
import { refresh } from "./state";
import { zip, type Member } from "./zip";

export interface Group {
  name: string;
  files: Found[];
}
export interface Plan {
  groups: Group[];
  leftOut: { path: string; why: "no_picture" | "no_folder" }[];
  pictures: number;
  bytes: number;
  /** Whether folders lie in the folders of the subjects. */
  isNested: boolean;
}
export interface Running {
  gallery: string;
  done: number;
  total: number;
  state: "running" | "done" | "failed" | "stopped";
  result: ImportResult;
  error?: unknown;
}

/** Files that another view received for this one. */
export const incoming = signal<Found[]>([]);
/** The import of this tab. */
export const running = signal<Running | null>(null);
/** An import that this tab does not send: of another one, or of before the page was reloaded. */
export const others = signal<Job | null>(null);

const BYTES = 32 << 20; // of a part
const FILES = 400;
const LONGEST = 200; // bytes of a name in an archive
const STORED = "semelha-import";

/** Subjects are the folders in the folder that was dropped, or those that were dropped; or the innermost folders. */
export function planOf(found: Found[], isInnermost: boolean): Plan {
  const pictures = found.filter((one) => isPicture(one.file));
  const paths = pictures.map((one) => one.path.split("/"));
  const isOneFolder = new Set(paths.map((parts) => parts[0])).size === 1 && paths.some((parts) => parts.length > 2);
  const start = isOneFolder ? 1 : 0;
  const groups = new Map<string, Found[]>();
  const leftOut: Plan["leftOut"] = found.filter((one) => !isPicture(one.file)).map(({ path }) => ({ path, why: "no_picture" }));
  pictures.forEach((one, place) => {
    const folders = (paths[place] as string[]).slice(start, -1);
    const name = isInnermost ? folders.at(-1) : folders[0];
    if (name === undefined) leftOut.push({ path: one.path, why: "no_folder" });
    else groups.set(name, [...(groups.get(name) ?? []), one]);
  });
  const taken = [...groups.values()].flat();
  return {
    groups: [...groups].map(([name, files]) => ({ name, files })).sort((a, b) => a.name.localeCompare(b.name)),
    leftOut,
    pictures: taken.length,
    bytes: taken.reduce((sum, one) => sum + one.file.size, 0),
    isNested: paths.some((parts) => parts.length > start + 2),
  };
}

function partsOf(plan: Plan): Member[][] {
  const parts: Member[][] = [];
  let bytes = Infinity;
  for (const { name, files } of plan.groups) {
    const taken = new Set<string>(); // names, of which folders in the folder of a subject may have the same
    files.forEach(({ file }, number) => {
      let own = plain(file.name);
      if (taken.has(own.toLowerCase())) own = `${number}-${own}`;
      taken.add(own.toLowerCase());
      if (bytes + file.size > BYTES || (parts.at(-1)?.length ?? 0) >= FILES) {
        parts.push([]);
        bytes = 0;
      }
      parts.at(-1)?.push({ path: `${plain(name)}/${own}`, file });
      bytes += file.size;
    });
  }
  return parts;
}

/** A name as a part of a path in an archive. */
function plain(name: string): string {
  let made = name.normalize("NFC").replace(/[\\/\u0000-\u001f\u007f]/g, "_");
  while (new TextEncoder().encode(made).length > LONGEST) made = made.slice(1);
  return made;
}

const EMPTY: ImportResult = { subjects: 0, added: 0, duplicates: 0, skipped: [], skipped_count: 0, warning_count: 0 };
let isStopping = false;

/** Enroll a plan. What was reported as done is in the gallery, whatever happens next. */
export async function run(plan: Plan, gallery: string): Promise<void> {
  isStopping = false;
  running.value = { gallery, done: 0, total: plan.pictures, state: "running", result: { ...EMPTY, subjects: plan.groups.length } };
  sessionStorage.setItem(STORED, JSON.stringify({ gallery, total: plan.pictures, done: 0 }));
  addEventListener("beforeunload", warn);
  let before = 0;
  try {
    for (const part of partsOf(plan)) {
      if (isStopping) break;
      let job = await galleryApi(gallery).import(await zip(part));
      while (job.state === "queued" || job.state === "running") {
        progress(before + job.done);
        await pause(400);
        if (isStopping) await galleryApi(gallery).cancelJob(job.id);
        job = await galleryApi(gallery).job(job.id).catch(gone(job));
      }
      if (job.problem) throw new Problem(job.problem.status, job.problem.kind, job.problem.detail, "");
      if (job.state === "cancelled") break;
      before += part.length;
      add(job.result as ImportResult);
      progress(before);
    }
    change({ state: isStopping ? "stopped" : "done" });
  } catch (error) {
    change({ state: "failed", error });
  }
  removeEventListener("beforeunload", warn);
  sessionStorage.removeItem(STORED);
  await refresh().catch(() => {});
}

/** A job that was cancelled is forgotten by the server. */
function gone(job: Job): (error: unknown) => Job {
  return (error) => {
    if (isStopping && error instanceof Problem && error.status === 404) return { ...job, state: "cancelled" };
    throw error;
  };
}

export function stop(): void {
  isStopping = true;
}

function warn(event: Event): void {
  event.preventDefault();
}

function change(fields: Partial<Running>): void {
  if (running.value) running.value = { ...running.value, ...fields };
}

function progress(done: number): void {
  change({ done });
  if (running.value) sessionStorage.setItem(STORED, JSON.stringify({ gallery: running.value.gallery, total: running.value.total, done }));
}

function add(found: ImportResult): void {
  const before = running.value?.result ?? EMPTY;
  const skipped: LeftOut[] = [...before.skipped, ...found.skipped].slice(0, 100);
  change({
    result: {
      subjects: before.subjects,
      added: before.added + found.added,
      duplicates: before.duplicates + found.duplicates,
      skipped,
      skipped_count: before.skipped_count + found.skipped_count,
      warning_count: before.warning_count + found.warning_count,
    },
  });
}

/** How many pictures of an import of this tab had been enrolled when the page was reloaded; null if all were sent. */
export function interrupted(gallery: string): { done: number; total: number } | null {
  if (running.value?.state === "running") return null;
  const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "null") as { gallery: string; done: number; total: number } | null;
  return stored?.gallery === gallery ? stored : null;
}

export function forgetInterrupted(): void {
  sessionStorage.removeItem(STORED);
}

/** Follow an import that goes on without this tab, until it ends or `signal` is aborted. */
export async function follow(gallery: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { jobs } = await galleryApi(gallery).jobs();
    if (signal.aborted) return;
    const found = jobs.find((one) => one.kind === "import" && (one.state === "running" || one.state === "queued")) ?? null;
    const hasEnded = others.value !== null && found === null;
    others.value = running.value?.state === "running" ? null : found;
    if (hasEnded) await refresh();
    await pause(found ? 700 : 5000);
  }
}
