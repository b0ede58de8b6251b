/** Pictures of which the user said that they do not show a subject, each with what takes it back. */

import { useEffect, useState } from "preact/hooks";
import type { Rejection } from "../api";
import { api, mayEnroll } from "../state";
import { date, Name, T, t } from "../words";
import { Icon } from "./icon";
import { notifyProblem } from "./notices";
import { Picture } from "./picture";

export function RejectedPictures({ name, revision }: { name: string; revision?: string }) {
  const [found, setFound] = useState<Rejection[]>([]);
  useEffect(() => {
    api.value.rejections(name).then(setFound, notifyProblem);
  }, [name, revision]);
  if (!found.length) return null;
  const withdraw = (one: Rejection) =>
    api.value.withdraw(one.id).then(() => setFound((before) => before.filter((each) => each.id !== one.id)), notifyProblem);
  return (
    <section class="stack" tabIndex={-1} aria-labelledby="rejected">
      <h2 id="rejected">
        <T words="rejected.title" name={<Name of={name} />} />
      </h2>
      <p class="hint">{t("rejected.hint")}</p>
      <ul class="examples">
        {found.map((one) => (
          <li key={one.id}>
            <Picture of={api.value.rejectionThumbnail(one.id)} alt={t("subject.picture", { source: one.source })} />
            <p class="source">
              <bdi title={one.source}>{one.source || t("subject.no_source")}</bdi>
              <span class="hint">{date(one.created)}</span>
            </p>
            {mayEnroll.value && (
              <button type="button" class="plain" aria-label={t("rejected.withdraw_label", { source: one.source })} onClick={() => void withdraw(one)}>
                <Icon name="undo" />
                {t("rejected.withdraw")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
