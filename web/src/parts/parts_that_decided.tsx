/** Which parts of a picture made it similar: the sheet of evidence of the server. */

import { useEffect, useState } from "preact/hooks";
import { uploadOf, type Asked } from "../asked";
import { api } from "../state";
import { t } from "../words";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { ProblemText } from "./notices";

export function Parts({ one }: { one: Asked }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="plain" onClick={() => setOpen(true)}>
        <Icon name="heat" />
        {t("parts.button")}
      </button>
      {isOpen && <Sheet one={one} onClose={() => setOpen(false)} />}
    </>
  );
}

function Sheet({ one, onClose }: { one: Asked; onClose: () => void }) {
  const [source, setSource] = useState("");
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    let made = "";
    api.value.explain(uploadOf(one), stop.signal).then(
      (sheet) => setSource((made = URL.createObjectURL(sheet))),
      (problem: unknown) => !stop.signal.aborted && setError(problem),
    );
    return () => {
      stop.abort();
      URL.revokeObjectURL(made);
    };
  }, []);
  return (
    <Dialog title={t("parts.title")} onClose={onClose} wide>
      <p class="hint">{t("parts.hint")}</p>
      {error ? (
        <ProblemText error={error} />
      ) : source ? (
        <img class="sheet" src={source} alt={t("parts.alt")} />
      ) : (
        <p class="loading" role="status">
          <span class="spinner" aria-hidden="true" />
          {t("parts.loading")}
        </p>
      )}
    </Dialog>
  );
}
