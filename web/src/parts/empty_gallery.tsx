/** What a view shows of a gallery without subjects: why it is empty, and the way to fill the gallery. */

import { href } from "../route";
import { mayEnroll } from "../state";
import { t, type Words } from "../words";
import { Icon } from "./icon";

export function EmptyGallery({ words }: { words: Words }) {
  return (
    <div class="nothing">
      <p>{t(words)}</p>
      {mayEnroll.value && (
        <a class="button primary" href={href("start")}>
          <Icon name="add" />
          {t("identify.to_start")}
        </a>
      )}
    </div>
  );
}
