/** The map as a list: a subject that is searched for, and its nearest neighbors. */

import { useState } from "preact/hooks";
import type { Points } from "../map/points";
import { api } from "../state";
import { T, Name, t } from "../words";
import { Icon } from "./icon";
import { Picture } from "./picture";
import { SubjectLink } from "./subject_link";
import { SubjectPicker } from "./subject_picker";

const MOST = 12;

export function MapNeighbors({ points, onShow }: { points: Points; onShow: (points: number[]) => void }) {
  const [isOpen, setOpen] = useState(false);
  const [subject, setSubject] = useState(-1);
  const [missing, setMissing] = useState("");
  const choose = (name: string) => {
    const place = points.columns.subjects.indexOf(name);
    setOpen(false);
    setMissing(place < 0 ? name : "");
    setSubject(place);
    if (place >= 0) onShow(points.of(place));
  };
  const known = subject < points.columns.subjects.length ? subject : -1;
  return (
    <section class="card map-list" tabIndex={-1} aria-labelledby="neighbors">
      <h2 id="neighbors">{t("map.neighbors")}</h2>
      <p class="hint">{t("map.neighbors.hint")}</p>
      {isOpen ? (
        <SubjectPicker label={t("map.find")} action={t("map.show")} mayBeNew={false} onChoose={choose} onClose={() => setOpen(false)} />
      ) : (
        <button type="button" class="start" onClick={() => setOpen(true)}>
          <Icon name="search" />
          {t("map.find")}
        </button>
      )}
      <div aria-live="polite" class="stack">
        {missing && (
          <p>
            <T words="map.not_on_it" name={<Name of={missing} />} />
          </p>
        )}
        {known >= 0 && (
          <>
            <h3>
              <T words="map.near" name={<SubjectLink of={points.columns.subjects[known] ?? ""} />} />
            </h3>
            <ol class="tiles-small">
              {points.neighbors(known, MOST).map((one) => (
                <Neighbor key={one} points={points} subject={one} onChoose={choose} />
              ))}
            </ol>
          </>
        )}
      </div>
    </section>
  );
}

function Neighbor({ points, subject, onChoose }: { points: Points; subject: number; onChoose: (name: string) => void }) {
  const name = points.columns.subjects[subject] ?? "";
  const first = points.columns.subject.indexOf(subject);
  return (
    <li>
      <Picture of={api.value.thumbnail(points.columns.ids[first] ?? 0, 128)} alt="" />
      <span>
        <SubjectLink of={name} />
        <button type="button" class="plain" aria-label={t("map.go_on", { name })} onClick={() => onChoose(name)}>
          {t("map.its_neighbors")}
        </button>
      </span>
    </li>
  );
}
