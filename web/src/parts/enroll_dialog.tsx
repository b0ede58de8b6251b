/** Pictures that were dropped on the gallery: of whom they are, and how far their enrolling is. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { enrollFiles } from "../enrolling";
import { api, notify, refresh } from "../state";
import { Name, T, t } from "../words";
import { Dialog } from "./dialog";
import type { Found } from "./files";
import { FilePicture } from "./file_picture";
import { notifyProblem } from "./notices";
import { SubjectPicker } from "./subject_picker";

interface Properties {
  found: Found[];
  /** The subject that they were dropped on, "" if it is to be chosen. */
  name: string;
  onClose: () => void;
}

const SHOWN = 6; // pictures

export function EnrollDialog({ found, name, onClose }: Properties) {
  const done = useSignal(-1);
  const start = (chosen: string) => {
    done.value = 0;
    enrollAndTell(chosen, found, (count) => (done.value = count)).finally(onClose);
  };
  useEffect(() => {
    if (name) start(name);
  }, []);
  return (
    <Dialog title={t("enroll.title", { n: found.length })} onClose={onClose} canClose={done.value < 0}>
      <ul class="strip" aria-label={t("enroll.pictures")}>
        {found.slice(0, SHOWN).map((one) => (
          <li key={one.path}>
            <FilePicture file={one.file} />
          </li>
        ))}
      </ul>
      {done.value < 0 ? (
        <SubjectPicker label={t("enroll.who", { n: found.length })} action={t("enroll.start")} mayBeNew onChoose={start} onClose={onClose} />
      ) : (
        <progress max={found.length} value={done.value} aria-label={t("enroll.progress")} />
      )}
    </Dialog>
  );
}

/** Enroll files and say what was done, with undo. */
export async function enrollAndTell(name: string, found: Found[], onProgress: (done: number) => void): Promise<void> {
  try {
    const { added, duplicates, leftOut } = await enrollFiles(name, found, onProgress);
    const server = api.value;
    const undo = async () => {
      for (const id of added) await server.removeExample(id);
      await refresh();
    };
    const text = (
      <>
        {(added.length > 0 || duplicates === 0) && <T words="enroll.done" n={added.length} name={<Name of={name} />} />}
        {duplicates > 0 && ` ${t("enroll.duplicates", { n: duplicates })}`}
        {leftOut.length > 0 && ` ${t("enroll.left_out", { n: leftOut.length, names: leftOut.slice(0, 3).map((one) => one.name).join(", ") })}`}
      </>
    );
    notify({ kind: leftOut.length ? "problem" : "done", text, undo: added.length ? undo : undefined });
  } catch (error) {
    notifyProblem(error);
  }
}
