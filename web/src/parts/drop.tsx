/** A place to drop pictures or folders, with buttons that choose them, for those who cannot drag. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../words";
import { chosenFiles, droppedFiles, type Found } from "./files";
import { Icon, type IconName } from "./icon";
import { notifyProblem } from "./notices";

/** Call back for files that are dropped anywhere on the page, with the element below them, and for pasted pictures. */
export function useDrop(onFiles: (found: Found[], target: Element | null) => void): boolean {
  const [isOver, setOver] = useState(false);
  const handler = useRef(onFiles);
  handler.current = onFiles;
  useEffect(() => {
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => hasFiles(event) && (depth++, setOver(true));
    const leave = (event: DragEvent) => hasFiles(event) && --depth <= 0 && setOver(false);
    const over = (event: DragEvent) => hasFiles(event) && event.preventDefault();
    const drop = (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      const target = event.target instanceof Element ? event.target : null;
      void droppedFiles(event.dataTransfer)
        .then((found) => found.length && handler.current(found, target))
        .catch(notifyProblem);
    };
    const paste = (event: ClipboardEvent) => {
      const files = Array.from(event.clipboardData?.files ?? []);
      if (files.length) handler.current(chosenFiles(files), null);
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: over, drop, paste };
    const each = Object.entries(listeners) as [string, EventListener][];
    for (const [name, one] of each) addEventListener(name, one);
    return () => {
      for (const [name, one] of each) removeEventListener(name, one);
    };
  }, []);
  return isOver;
}

interface ChooseProperties {
  onFiles: (found: Found[]) => void;
  icon: IconName;
  class?: string;
  folder?: boolean;
  camera?: boolean;
  children: ComponentChildren;
}

/** A button that opens the dialog for files, for a folder, or the camera of a phone. */
export function Choose({ onFiles, icon, class: kind = "", folder, camera, children }: ChooseProperties) {
  const input = useRef<HTMLInputElement>(null);
  const more = folder ? { webkitdirectory: true } : camera ? { capture: "environment" as const } : {};
  return (
    <>
      <button type="button" class={kind} onClick={() => input.current?.click()}>
        <Icon name={icon} />
        {children}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple={!camera}
        accept={folder ? undefined : "image/*,.heic,.heif,.avif,.tif,.tiff,.ppm,.pgm"}
        {...more}
        onChange={(event) => {
          const found = chosenFiles(event.currentTarget.files ?? []);
          event.currentTarget.value = "";
          if (found.length) onFiles(found);
        }}
      />
    </>
  );
}

export function DropHint({ isOver }: { isOver: boolean }) {
  return isOver ? (
    <div class="drop-hint" aria-hidden="true">
      <Icon name="picture" />
      {t("drop.here")}
    </div>
  ) : null;
}
