/** What is done about a finding, and how it is undone. */

import type { GalleryApi } from "./api";
import { keep, noteMerge, settle, type Shown } from "./caring";
import { refreshLater } from "./state";
import { hold } from "./undoing";
import { Name, T, t } from "./words";

export type Repair =
  | { kind: "move"; examples: number[]; from: string; to: string }
  | { kind: "remove"; example: number; from: string }
  | { kind: "merge"; source: string; into: string }
  | { kind: "keep" };

/** Carry out a repair, and offer to undo it. Removals, which the server cannot undo, are sent when they cannot be undone any more. */
export async function carryOutRepair(server: GalleryApi, one: Shown, repair: Repair): Promise<void> {
  if (repair.kind === "keep") {
    const undo = keep(one.key);
    hold({ text: t("care.kept"), undo });
  } else if (repair.kind === "remove") {
    const undo = settle(one.key, [repair.example]);
    const send = async (isLeaving: boolean) => {
      await server.removeExample(repair.example, isLeaving);
      refreshLater();
    };
    hold({ text: <T words="care.removed" name={<Name of={repair.from} />} />, undo, send });
  } else if (repair.kind === "merge") {
    const { id, moved } = await server.merge(repair.source, repair.into);
    const forget = [settle(one.key), noteMerge(repair.source, repair.into)];
    const undo = async () => {
      await server.undoMerge(id);
      for (const each of forget) each();
      refreshLater();
    };
    hold({ text: <T words="care.merged" n={moved} source={<Name of={repair.source} />} into={<Name of={repair.into} />} />, undo });
    refreshLater();
  } else {
    await move(server, one, repair);
  }
}

async function move(server: GalleryApi, one: Shown, { examples, from, to }: Extract<Repair, { kind: "move" }>): Promise<void> {
  const moved: number[] = [];
  let isWhole = true; // a picture that the other subject has too is kept once, which cannot be undone
  const back = async () => {
    for (const id of moved) await server.moveExample(id, from);
    refreshLater();
  };
  try {
    for (const id of examples) {
      const now = await server.moveExample(id, to);
      if (now.id === id) moved.push(id);
      else isWhole = false;
    }
  } catch (error) {
    await back();
    throw error;
  }
  const forget = settle(one.key, examples);
  const text = <T words="care.moved" n={examples.length} name={<Name of={to} />} />;
  hold({ text, undo: isWhole ? () => back().then(forget) : undefined });
  refreshLater();
}
