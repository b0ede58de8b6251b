/** Asks for the API key: it stays in this tab of the browser until the tab is closed. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { useKey } from "../api";
import { t } from "../words";
import { Dialog } from "./dialog";

export function KeyDialog({ why }: { why: "needed" | "refused" }) {
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => input.current?.focus(), []);
  return (
    <Dialog title={t("key.title")} onClose={() => {}} canClose={false}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (input.current?.value.trim()) useKey(input.current.value);
        }}
      >
        <p role={why === "refused" ? "alert" : undefined}>{t(why === "refused" ? "key.refused" : "key.needed")}</p>
        <label for="key">{t("key.label")}</label>
        <input ref={input} id="key" type="password" autocomplete="off" spellcheck={false} required />
        <p class="hint">{t("key.hint")}</p>
        <div class="actions end">
          <button type="submit" class="primary">
            {t("key.use")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
