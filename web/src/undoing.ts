/** The latest change that can be undone. What the server cannot undo is sent only after a while, or when the view is left. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { isReachable, isWaitingToSend } from "./api";
import { notifyProblem } from "./parts/notices";

export interface Change {
  text: ComponentChildren;
  undo?: () => void | Promise<void>;
  /** Carry it out; `isLeaving` if the page is closed. Without it the change is done already. */
  send?: (isLeaving: boolean) => Promise<void>;
}

const WAIT = 20_000; // milliseconds in which a change can be undone
export const latest = signal<Change | null>(null);
let timer: ReturnType<typeof setTimeout>;

/** Show a change, with "undo". The one before is carried out. */
export function hold(change: Change): void {
  carryOut();
  latest.value = change;
  timer = setTimeout(carryOut, WAIT);
}

/** Carry out the change that waits: it cannot be undone any more. */
export function carryOut(isLeaving = false): void {
  clearTimeout(timer);
  const change = latest.value;
  latest.value = null;
  void change?.send?.(isLeaving).catch((error: unknown) => {
    void change.undo?.();
    notifyProblem(error);
  });
}

export function undoLatest(): void {
  clearTimeout(timer);
  const change = latest.value;
  latest.value = null;
  void Promise.resolve(change?.undo?.()).catch(notifyProblem);
}

addEventListener("pagehide", () => carryOut(true));
addEventListener("beforeunload", (event) => {
  if (isWaitingToSend() || (latest.value?.send && !isReachable.value)) event.preventDefault(); // the browser asks
});
