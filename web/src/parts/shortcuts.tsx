/** Keys that act without Ctrl or Alt. They do nothing while a text is typed, and can be turned off (WCAG 2.1.4). */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t, type Words } from "../words";

const STORED = "semelha-shortcuts";
export const areShortcutsOn = signal(localStorage.getItem(STORED) !== "off");

/** Call back for keys, such as "j", while no dialog is open. */
export function useShortcuts(keys: Record<string, () => void>): void {
  const present = useRef(keys);
  present.current = keys;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (!areShortcutsOn.value || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (isText(event.target) || document.querySelector("dialog[open]")) return;
      const act = present.current[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

/** Whether an element takes text, so that keys are letters in it. */
export function isText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const isInput = target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type);
  return isInput || target.isContentEditable || target.matches("textarea, select");
}

/** A key in a button, where keys can be pressed. */
export function Key({ of }: { of: string }) {
  return areShortcutsOn.value ? (
    <kbd class="only-hover" aria-hidden="true">
      {of}
    </kbd>
  ) : null;
}

/** Which keys there are, and whether they act. */
export function Shortcuts({ keys }: { keys: [key: string, does: Words][] }) {
  return (
    <section class="shortcuts" aria-label={t("shortcuts")}>
      <label class="choice">
        <input
          type="checkbox"
          checked={areShortcutsOn.value}
          onChange={(event) => {
            areShortcutsOn.value = event.currentTarget.checked;
            localStorage.setItem(STORED, areShortcutsOn.value ? "on" : "off");
          }}
        />
        {t("shortcuts.on")}
      </label>
      {areShortcutsOn.value && (
        <ul>
          {keys.map(([key, does]) => (
            <li key={key}>
              <kbd>{key}</kbd> {t(does)}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
