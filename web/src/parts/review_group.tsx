/** Pictures that probably show the same, the subject that they are most similar to, and what can be done with them. */

import { useSignal } from "@preact/signals";
import type { Review } from "../api";
import { candidates, likeliest, type Group } from "../reviewing";
import { api, mayEnroll } from "../state";
import { dateAndTime, Name, rate, T, t } from "../words";
import { Icon } from "./icon";
import { Picture } from "./picture";
import { Key } from "./shortcuts";
import { SubjectPicker } from "./subject_picker";

interface Properties {
  group: Group;
  isPresent: boolean;
  isNaming: boolean;
  /** Pictures that were left out of their groups. */
  left: ReadonlySet<number>;
  onPresent: () => void;
  onLeave: (id: number) => void;
  onConfirm: () => void;
  onName: (name: string) => void;
  onDismiss: () => void;
  onNaming: (isNaming: boolean) => void;
}

const SHOWN = 12; // pictures of a group

export function ReviewGroup(properties: Properties) {
  const { group, isPresent, isNaming, left, onPresent, onLeave } = properties;
  const showsAll = useSignal(false);
  const best = likeliest(group.reviews);
  const chosen = group.reviews.filter((one) => !left.has(one.id)).length;
  const shown = showsAll.value ? group.reviews : group.reviews.slice(0, SHOWN);
  const label = best ? t("review.group", { n: group.reviews.length, name: best.nearest.subject }) : t("review.pictures", { n: group.reviews.length });
  return (
    <article
      class="card group"
      tabIndex={isPresent ? 0 : -1}
      data-card={group.id}
      aria-label={label}
      onFocusIn={onPresent}
      onKeyDown={(event) => {
        if (event.key === "Enter" && event.target === event.currentTarget && mayEnroll.value && chosen > 0) properties.onConfirm();
      }}
    >
      <ul class={group.reviews.length > 1 ? "pile" : "pile single"}>
        {shown.map((one) => (
          <li key={one.id}>
            <Kept one={one} isAlone={group.reviews.length === 1} isLeft={left.has(one.id)} onLeave={() => onLeave(one.id)} />
          </li>
        ))}
        {group.reviews.length > shown.length && (
          <li>
            <button type="button" class="plain" onClick={() => (showsAll.value = true)}>
              {t("review.show_all", { n: group.reviews.length })}
            </button>
          </li>
        )}
      </ul>
      <div class="group-side">
        <p class={`decision ${best?.of.kind ?? group.reviews[0]?.kind}`}>
          <Icon name={best?.of.kind === "uncertain" ? "warn" : "close"} />
          {t((best?.of.kind ?? group.reviews[0]?.kind) === "uncertain" ? "decision.uncertain" : "answer.unknown")}
        </p>
        {best ? <Likeliest best={best} /> : <p>{t("sure.nothing")}</p>}
        {mayEnroll.value && !isNaming && <Buttons {...properties} chosen={chosen} subject={best?.nearest.subject ?? null} isLikely={best?.of.kind === "uncertain"} />}
        {isNaming && (
          <SubjectPicker
            label={chosen > 1 ? t("review.name_for", { n: chosen }) : t("say.who")}
            action={t("say.save")}
            mayBeNew
            suggested={candidates(group.reviews)}
            onChoose={(name) => properties.onName(name)}
            onClose={() => properties.onNaming(false)}
          />
        )}
      </div>
    </article>
  );
}

function Kept({ one, isAlone, isLeft, onLeave }: { one: Review; isAlone: boolean; isLeft: boolean; onLeave: () => void }) {
  const title = `${one.source} · ${dateAndTime(one.created)}`;
  const picture = one.has_picture ? (
    <Picture of={api.value.reviewThumbnail(one.id)} alt={one.source} />
  ) : (
    <span class="picture missing" role="img" aria-label={one.source}>
      <Icon name="picture" />
    </span>
  );
  if (isAlone || !mayEnroll.value) return <span title={title}>{picture}</span>;
  return (
    <label class={isLeft ? "kept left" : "kept"} title={title}>
      {picture}
      <input type="checkbox" checked={!isLeft} onChange={onLeave} />
    </label>
  );
}

function Likeliest({ best }: { best: NonNullable<ReturnType<typeof likeliest>> }) {
  const { nearest, of } = best;
  const [example] = nearest.examples;
  const { p_value: p, target_fpir: target } = of;
  return (
    <div class="likeliest">
      {example && <Picture of={api.value.thumbnail(example.id)} alt={t("evidence.match", { name: nearest.subject })} />}
      <div>
        <p class="hint">{t("review.most_similar")}</p>
        <h2>
          <Name of={nearest.subject} />
        </h2>
        {p !== null && target !== null && (
          <p class="hint">
            <T words="review.sure" p={rate(p)} target={rate(target)} />
          </p>
        )}
      </div>
    </div>
  );
}

function Buttons({
  onConfirm,
  onDismiss,
  onNaming,
  chosen,
  subject,
  isLikely,
}: Properties & { chosen: number; subject: string | null; isLikely: boolean }) {
  return (
    <div class="actions">
      {subject !== null && (
        <button type="button" class={isLikely ? "primary" : ""} disabled={chosen === 0} onClick={onConfirm}>
          <Icon name="check" />
          <span>
            <T words={chosen > 1 ? "review.confirm_all" : "review.confirm"} n={chosen} name={<Name of={subject} />} />
          </span>
          <Key of="Enter" />
        </button>
      )}
      <button type="button" class={isLikely ? "" : "primary"} disabled={chosen === 0} onClick={() => onNaming(true)}>
        <Icon name="edit" />
        {t("review.name")}
        <Key of="n" />
      </button>
      <button type="button" disabled={chosen === 0} onClick={onDismiss}>
        <Icon name="close" />
        {t("review.dismiss")}
        <Key of="x" />
      </button>
    </div>
  );
}
