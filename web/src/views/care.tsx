/** Care: what a check of the gallery finds, each finding with its pictures and what can be done about it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Problem, type FindingKind } from "../api";
import { closeCheck, failure, findings, forgetKept, job, keptCount, KINDS, openCheck, result, settle, startCheck, stopCheck, type Shown } from "../caring";
import { useCards } from "../parts/cards";
import { EmptyGallery } from "../parts/empty_gallery";
import { FindingCard } from "../parts/finding";
import { Icon } from "../parts/icon";
import { Kinds } from "../parts/kinds";
import { notifyProblem, ProblemText } from "../parts/notices";
import { Shortcuts, useShortcuts } from "../parts/shortcuts";
import { UndoBar } from "../parts/undo_bar";
import { carryOutRepair, type Repair } from "../repairs";
import { api, gallery, mayEnroll } from "../state";
import { carryOut, undoLatest } from "../undoing";
import { dateAndTime, t, type Words } from "../words";
import "../styles/care.css";

const SHOWN = 20; // findings that are added at once
const MOVES: [string, Words][] = [
  ["j", "shortcuts.next"],
  ["k", "shortcuts.before"],
];
const ACTS: [string, Words][] = [
  ["x", "care.key.keep"],
  ["u", "shortcuts.undo"],
];

export default function Care() {
  const server = api.value;
  useEffect(() => {
    void openCheck(server, gallery.value?.name ?? "");
    return closeCheck;
  }, []);
  const isRunning = job.value?.state === "queued" || job.value?.state === "running";
  const start = () => {
    carryOut();
    void startCheck(server);
  };
  const isForgotten = failure.value instanceof Problem && failure.value.kind === "result-forgotten";
  return (
    <>
      <div class="title">
        <h1>{t("care.title")}</h1>
        {result.value && (
          <button type="button" onClick={start}>
            {t("care.again")}
          </button>
        )}
      </div>
      {!mayEnroll.value && <p class="banner">{t("care.read_only")}</p>}
      {isForgotten && <p class="banner">{t("care.forgotten")}</p>}
      {failure.value !== null && !isForgotten && <ProblemText error={failure.value} onRetry={start} />}
      {job.value === undefined && failure.value === null && (
        <p class="loading" role="status">
          <span class="spinner" aria-hidden="true" />
          {t("loading")}
        </p>
      )}
      {isRunning && <Running />}
      {job.value !== undefined && !isRunning && !result.value && <Start onStart={start} />}
      {result.value && <Found />}
      <UndoBar />
    </>
  );
}

function Start({ onStart }: { onStart: () => void }) {
  const isEmpty = gallery.value?.examples === 0;
  if (isEmpty) return <EmptyGallery words="care.empty" />;
  return (
    <section class="stack">
      <p class="intro">{t("care.what")}</p>
      <div class="actions">
        <button type="button" class="primary check-start" onClick={onStart}>
          <Icon name="care" />
          {t("care.start", { n: gallery.value?.examples ?? 0 })}
        </button>
      </div>
    </section>
  );
}

function Running() {
  const { done = 0, total = 0 } = job.value ?? {};
  return (
    <section class="stack">
      <p id="running" role="status">
        {t("care.running")}
      </p>
      <progress aria-labelledby="running" max={total || 1} value={total ? done : undefined} />
      {mayEnroll.value && (
        <div class="actions">
          <button type="button" onClick={() => void stopCheck(api.value).catch(notifyProblem)}>
            {t("care.stop")}
          </button>
        </div>
      )}
    </section>
  );
}

function Found() {
  const kind = useSignal<FindingKind | "all">("all");
  const most = useSignal(SHOWN);
  const busy = useSignal("");
  const ofKind = findings.value.filter((one) => kind.value === "all" || one.kind === kind.value);
  const shown = ofKind.slice(0, most.value);
  const cards = useCards(shown.map((one) => one.key));
  const { examples, subjects, single_example_subjects: single } = result.value ?? { examples: 0, subjects: 0, single_example_subjects: 0 };

  const repair = async (one: Shown, what: Repair) => {
    if (busy.value) return;
    busy.value = one.key;
    cards.choose(one.key);
    cards.goOn();
    try {
      await carryOutRepair(api.value, one, what);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) settle(one.key); // somebody else was faster
      notifyProblem(error);
    }
    busy.value = "";
  };
  const present = shown.find((one) => one.key === cards.present);
  const step = (by: number) => {
    if (by > 0 && present === shown.at(-1) && shown.length < ofKind.length) most.value += SHOWN;
    cards.step(by);
  };
  const acts: Record<string, () => void> = mayEnroll.value
    ? { x: () => present && void repair(present, { kind: "keep" }), u: undoLatest }
    : {};
  useShortcuts({ j: () => step(1), k: () => step(-1), ...acts });

  return (
    <>
      <p class="hint intro" role="status">
        {t("care.checked", { n: examples, subjects, date: dateAndTime(job.value?.created ?? "") })}
        {single > 0 && ` ${t("care.single", { n: single })}`}
      </p>
      {findings.value.length > 0 && (
        <>
          <Kinds
            label={t("review.kinds")}
            chosen={kind.value}
            kinds={[
              { kind: "all", label: t("review.all"), count: findings.value.length },
              ...KINDS.map((one) => ({ kind: one, label: t(`care.kind.${one}`), count: findings.value.filter((each) => each.kind === one).length })).filter(
                (one) => one.count > 0 || one.kind === kind.value,
              ),
            ]}
            onChoose={(chosen) => {
              kind.value = chosen;
              most.value = SHOWN;
            }}
          />
          <Shortcuts keys={mayEnroll.value ? [...MOVES, ...ACTS] : MOVES} />
        </>
      )}
      {ofKind.length === 0 && (
        <div class="nothing">
          <Icon name="check" />
          <p>{t(result.value?.findings.length ? "care.nothing_left" : "care.nothing")}</p>
        </div>
      )}
      <section class="findings" ref={cards.list} aria-label={t("care.findings")}>
        {shown.map((one) => (
          <FindingCard
            key={one.key}
            one={one}
            isPresent={one.key === cards.present}
            isBusy={busy.value === one.key}
            onPresent={() => cards.choose(one.key)}
            onRepair={(what) => void repair(one, what)}
          />
        ))}
      </section>
      {ofKind.length > shown.length && (
        <div class="actions">
          <button type="button" onClick={() => (most.value += SHOWN)}>
            {t("care.more", { n: ofKind.length - shown.length })}
          </button>
        </div>
      )}
      {keptCount.value > 0 && (
        <p class="hint">
          {t("care.kept_count", { n: keptCount.value })}{" "}
          <button type="button" class="plain" onClick={forgetKept}>
            {t("care.show_kept")}
          </button>
        </p>
      )}
    </>
  );
}
