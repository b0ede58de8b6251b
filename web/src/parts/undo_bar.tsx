/** What was done last, with "undo". When the view is left, it is carried out. */

import { useEffect } from "preact/hooks";
import { t } from "../words";
import { carryOut, latest, undoLatest } from "../undoing";
import { Icon } from "./icon";
import { Key } from "./shortcuts";

export function UndoBar() {
  useEffect(() => () => carryOut(), []);
  return (
    <div class="notices undo-bar" role="status" aria-live="polite">
      {latest.value && (
        <div class="notice done">
          <div>{latest.value.text}</div>
          {latest.value.undo && (
            <button type="button" class="plain" onClick={undoLatest}>
              <Icon name="undo" />
              {t("undo")}
              <Key of="u" />
            </button>
          )}
        </div>
      )}
    </div>
  );
}
