/** Pictures are enrolled as examples of one subject, some at a time. */

import type { LeftOut } from "./api";
import { isPicture, type Found } from "./parts/files";
import { api, refresh } from "./state";

export interface EnrolledFiles {
  added: number[];
  duplicates: number;
  leftOut: LeftOut[];
}

const AT_ONCE = 8; // pictures of a request
const BYTES = 24 << 20;

/** Enroll files; those that cannot be used are left out and listed, with reasons of the server. */
export async function enrollFiles(name: string, found: Found[], onProgress: (done: number) => void): Promise<EnrolledFiles> {
  const pictures = found.filter((one) => isPicture(one.file));
  const leftOut = found.filter((one) => !isPicture(one.file)).map((one) => ({ name: one.path, reason: "" }));
  const result: EnrolledFiles = { added: [], duplicates: 0, leftOut };
  for (let place = 0; place < pictures.length; ) {
    const some = [];
    for (let bytes = 0; place < pictures.length && some.length < AT_ONCE; place++) {
      const one = pictures[place] as Found;
      bytes += one.file.size;
      if (some.length && bytes > BYTES) break;
      some.push({ file: one.file, name: one.file.name, box: null });
    }
    try {
      const done = await api.value.enroll(name, some);
      result.added.push(...done.examples);
      result.duplicates += done.duplicates.length;
      leftOut.push(...done.skipped);
    } catch (error) {
      if (some.length > 1 || !isPictureProblem(error)) throw error;
      leftOut.push({ name: some[0]?.name ?? "", reason: (error as Error).message });
    }
    onProgress(place);
  }
  await refresh();
  return result;
}

/** Whether the only picture of a request cannot be used, which the others do not suffer from. */
function isPictureProblem(error: unknown): boolean {
  return error instanceof Error && "status" in error && [413, 415, 422].includes(error.status as number);
}
