/** One finding of a check: what may be wrong, the pictures side by side, and what can be done in one click. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { FoundExample } from "../api";
import type { Shown } from "../caring";
import type { Repair } from "../repairs";
import { api, mayEnroll } from "../state";
import { Name, percent, T, t, type Words } from "../words";
import { Icon, type IconName } from "./icon";
import { Picture } from "./picture";
import { Key } from "./shortcuts";
import { SubjectPicker } from "./subject_picker";

interface Properties {
  one: Shown;
  isPresent: boolean;
  isBusy: boolean;
  onPresent: () => void;
  onRepair: (repair: Repair) => void;
}

const ICONS: Record<Shown["kind"], IconName> = { mislabel: "move", duplicate: "grid", merge: "merge", split: "person", outlier: "warn" };

export function FindingCard({ one, isPresent, isBusy, onPresent, onRepair }: Properties) {
  const [a = "", b = ""] = one.subjects;
  return (
    <article class="card finding" tabIndex={isPresent ? 0 : -1} data-card={one.key} aria-label={label(one)} onFocusIn={onPresent} aria-busy={isBusy}>
      <header>
        <p class="decision">
          <Icon name={ICONS[one.kind]} />
          {t(`care.kind.${one.kind}`)}
        </p>
        <h2>
          <T words={`care.says.${one.kind}`} a={<Name of={a} />} b={<Name of={b} />} />
        </h2>
        {one.kind !== "duplicate" && one.kind !== "outlier" && <p class="hint">{t("care.score", { percent: percent(one.score) })}</p>}
      </header>
      <Sides one={one} />
      {mayEnroll.value && <Buttons one={one} isBusy={isBusy} onRepair={onRepair} />}
    </article>
  );
}

/** What a finding says, as a text without markup. */
function label(one: Shown): string {
  const [a = "", b = ""] = one.subjects;
  return t(`care.says.${one.kind}`, { a, b });
}

function Sides({ one }: { one: Shown }) {
  const [a = "", b = ""] = one.subjects;
  const [suspect] = one.examples;
  const of = (name: string) => one.examples.filter((each) => each.subject === name);
  if (one.kind === "mislabel" || one.kind === "outlier") {
    const others = (name: string) => of(name).filter((each) => each !== suspect);
    return (
      <div class="sides">
        <Side examples={suspect ? [suspect] : []} isSuspect>
          {t("care.this")}
        </Side>
        {one.kind === "mislabel" && (
          <Side examples={others(b)}>
            <T words="care.nearest_of" name={<Name of={b} />} />
          </Side>
        )}
        <Side examples={others(a)}>
          <T words="care.enrolled_as" name={<Name of={a} />} />
        </Side>
      </div>
    );
  }
  const first = new Set(one.groups[0]);
  const [left, right] =
    one.kind === "split" ? [one.examples.filter((each) => first.has(each.number)), one.examples.filter((each) => !first.has(each.number))] : [of(a), of(b)];
  return (
    <div class="sides even">
      <Side examples={left}>{one.kind === "split" ? t("care.group", { n: one.groups[0]?.length ?? 0 }) : <Name of={a} />}</Side>
      <Side examples={right}>{one.kind === "split" ? t("care.group", { n: one.groups[1]?.length ?? 0 }) : <Name of={b} />}</Side>
    </div>
  );
}

function Side({ examples, isSuspect, children }: { examples: FoundExample[]; isSuspect?: boolean; children: ComponentChildren }) {
  return (
    <div class={isSuspect ? "side suspect" : "side"}>
      <p>{children}</p>
      <ul>
        {examples.map((each) => (
          <li key={each.number} title={each.source}>
            <Picture of={api.value.thumbnail(each.number)} alt={t("evidence.match", { name: each.subject })} />
          </li>
        ))}
      </ul>
      {examples.length === 0 && <p class="hint">{t("care.no_others")}</p>}
    </div>
  );
}

function Buttons({ one, isBusy, onRepair }: { one: Shown; isBusy: boolean; onRepair: (repair: Repair) => void }) {
  const asks = useSignal<"move" | "split" | null>(null);
  const [a = "", b = ""] = one.subjects;
  const [first, second] = one.examples;
  if (asks.value) {
    const isSplit = asks.value === "split";
    const group = one.groups[1] ?? [];
    return (
      <SubjectPicker
        label={isSplit ? t("care.split_name", { n: group.length }) : t("care.move_name")}
        action={t(isSplit ? "care.split" : "care.move")}
        mayBeNew
        except={a}
        suggested={!isSplit && b ? [b] : []}
        onChoose={(name) => {
          asks.value = null;
          onRepair({ kind: "move", examples: isSplit ? group : first ? [first.number] : [], from: a, to: name });
        }}
        onClose={() => (asks.value = null)}
      />
    );
  }
  const button = (icon: IconName, words: Words, name: string, repair: Repair | (() => void), isFirst = false, key = "") => (
    <button type="button" class={isFirst ? "primary" : ""} disabled={isBusy} onClick={() => (typeof repair === "function" ? repair() : onRepair(repair))}>
      <Icon name={icon} />
      <span>
        <T words={words} name={<Name of={name} />} />
      </span>
      {key && <Key of={key} />}
    </button>
  );
  return (
    <div class="actions">
      {one.kind === "mislabel" && first && button("move", "care.move_to", b, { kind: "move", examples: [first.number], from: a, to: b }, true)}
      {one.kind === "merge" && button("merge", "care.both_are", a, { kind: "merge", source: b, into: a }, true)}
      {one.kind === "merge" && button("merge", "care.both_are", b, { kind: "merge", source: a, into: b })}
      {one.kind === "duplicate" && first && button("trash", "care.remove_from", a, { kind: "remove", example: first.number, from: a })}
      {one.kind === "duplicate" && second && button("trash", "care.remove_from", b, { kind: "remove", example: second.number, from: b })}
      {one.kind === "duplicate" && button("merge", "care.both_are", a, { kind: "merge", source: b, into: a })}
      {one.kind === "split" && button("person", "care.split_off", a, () => (asks.value = "split"), true)}
      {(one.kind === "mislabel" || one.kind === "outlier") && button("edit", "care.move_other", "", () => (asks.value = "move"), one.kind === "outlier")}
      {(one.kind === "mislabel" || one.kind === "outlier") && first && button("trash", "care.remove", "", { kind: "remove", example: first.number, from: a })}
      {button("check", one.kind === "merge" || one.kind === "duplicate" ? "care.keep_both" : "care.keep", "", { kind: "keep" }, false, "x")}
    </div>
  );
}
