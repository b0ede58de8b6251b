/** The pictures that were asked about: they stay when another view is opened. */

import { computed, signal } from "@preact/signals";
import { galleryApi, type Box, type Identified, type Upload } from "./api";
import { isPicture, type Found } from "./parts/files";
import { gallery, refreshLater } from "./state";

/** What the user said of an answer, and how it is taken back. */
export interface Said {
  kind: "yes" | "not" | "new" | "other";
  name: string;
  isDuplicate?: boolean;
  undo?: () => Promise<void>;
}

export interface Asked {
  id: number;
  gallery: string;
  name: string;
  file: File;
  source: string;
  box: Box | null;
  state: "waiting" | "asking" | "answered" | "failed";
  answer?: Identified;
  error?: unknown;
  said?: Said;
}

const AT_ONCE = 3; // requests
export const asked = signal<Asked[]>([]);
export const leftOut = signal<string[]>([]);
export const pending = computed(() => asked.value.filter((one) => one.state === "waiting" || one.state === "asking").length);
let latest = 0;
let running = 0;

/** Ask about pictures; files that are none are listed in `leftOut`. */
export function ask(found: Found[], gallery: string): void {
  leftOut.value = found.filter((one) => !isPicture(one.file)).map((one) => one.path);
  const added = found
    .filter((one) => isPicture(one.file))
    .map(({ file }): Asked => {
      const source = URL.createObjectURL(file);
      return { id: ++latest, gallery, name: file.name, file, source, box: null, state: "waiting" };
    });
  asked.value = [...added, ...asked.value];
  work();
}

export function change(id: number, fields: Partial<Asked>): void {
  asked.value = asked.value.map((one) => (one.id === id ? { ...one, ...fields } : one));
}

export function remove(id: number): void {
  for (const one of asked.value) if (one.id === id) URL.revokeObjectURL(one.source);
  asked.value = asked.value.filter((one) => one.id !== id);
}

export function removeAll(): void {
  for (const one of asked.value) URL.revokeObjectURL(one.source);
  asked.value = [];
  leftOut.value = [];
}

/** Ask about a picture again, such as after a crop. */
export function askAgain(id: number, fields: Partial<Asked> = {}): void {
  change(id, { said: undefined, ...fields, state: "waiting", error: undefined });
  work();
}

/** Ask again about all pictures of a gallery of whose answers nothing was said: the gallery may have learned since. */
export function askAllAgain(gallery: string): void {
  for (const one of asked.value) if (one.gallery === gallery && one.state === "answered" && !one.said) askAgain(one.id);
}

export function uploadOf(one: Asked): Upload {
  return { file: one.file, name: one.name, box: one.box };
}

function work(): void {
  while (running < AT_ONCE) {
    const next = asked.value.findLast((one) => one.state === "waiting");
    if (!next) return;
    running++;
    change(next.id, { state: "asking" });
    galleryApi(next.gallery)
      .identify(uploadOf(next))
      .then(
        ({ answer, model }) => {
          change(next.id, { state: "answered", answer });
          if (gallery.value?.name === next.gallery && gallery.value.model !== model) refreshLater(); // it was migrated
        },
        (error: unknown) => change(next.id, { state: "failed", error }),
      )
      .finally(() => {
        running--;
        work();
      });
  }
}

/** Enroll a picture as an example of a subject, because the user said that it shows it. */
export async function enrollAs(one: Asked, name: string, kind: Said["kind"]): Promise<void> {
  const server = galleryApi(one.gallery);
  const done = await server.enroll(name, [uploadOf(one)]);
  const undo = async () => {
    for (const id of done.examples) await server.removeExample(id);
    askAgain(one.id);
    refreshLater();
  };
  change(one.id, { said: { kind, name, isDuplicate: done.added === 0, undo: done.added ? undo : undefined } });
  refreshLater();
}

/** Record that a picture does not show a subject, and ask again. */
export async function rejectAs(one: Asked, name: string): Promise<void> {
  const server = galleryApi(one.gallery);
  const { id } = await server.reject(uploadOf(one), name);
  const undo = async () => {
    await server.withdraw(id);
    askAgain(one.id);
  };
  askAgain(one.id, { said: { kind: "not", name, undo } });
}
