/** A dialog above the page: the focus stays in it, Escape closes it, and goes back to where it was. */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../words";
import { Icon } from "./icon";

interface Properties {
  title: ComponentChildren;
  onClose: () => void;
  wide?: boolean;
  /** Whether it can be closed without an answer. */
  canClose?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, wide, canClose = true, children }: Properties) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const [before, dialog] = [document.activeElement, box.current];
    dialog?.showModal();
    const field = dialog?.querySelector<HTMLElement>("input[type=text], input[type=password]");
    (field ?? dialog?.querySelector<HTMLElement>(".dialog-inside"))?.focus();
    return () => {
      dialog?.close(); // what is outside cannot get the focus until then
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (canClose) onClose();
      }}
      onClick={(event) => canClose && event.target === box.current && onClose()}
    >
      <div class="dialog-inside" tabIndex={-1}>
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          {canClose && (
            <button type="button" class="plain round" aria-label={t("close")} onClick={onClose}>
              <Icon name="close" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProperties {
  title: ComponentChildren;
  children?: ComponentChildren;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
}

/** A question before what cannot be undone. */
export function Confirm({ title, children, action, onConfirm, onClose }: ConfirmProperties) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-text">{children}</div>
      <div class="actions end">
        <button type="button" onClick={onClose}>
          {t("cancel")}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            onClose();
            onConfirm();
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}
