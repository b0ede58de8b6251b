/** The answer for one picture: verdict, how sure it is, what it rests on, and what the user says of it. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Candidate, Identified } from "../api";
import { askAgain, change, enrollAs, rejectAs, remove, type Asked } from "../asked";
import { api, mayEnroll } from "../state";
import { Name, number, percent, rate, T, t } from "../words";
import { Crop } from "./crop";
import { Icon } from "./icon";
import { notifyProblem, ProblemText } from "./notices";
import { Parts } from "./parts_that_decided";
import { Picture } from "./picture";
import { SubjectLink } from "./subject_link";
import { SubjectPicker } from "./subject_picker";

export function AnswerCard({ one }: { one: Asked }) {
  const { answer } = one;
  const isWaiting = one.state === "waiting" || one.state === "asking";
  return (
    <article class="card answer" tabIndex={-1} aria-label={one.name} aria-busy={isWaiting}>
      <Probe one={one} />
      <div class="verdict">
        {isWaiting && (
          <p class="loading">
            <span class="spinner" aria-hidden="true" />
            {t("answer.looking")}
          </p>
        )}
        {one.state === "failed" && <ProblemText error={one.error} onRetry={() => askAgain(one.id)} />}
        {one.state === "answered" && answer && (
          <>
            <Verdict answer={answer} />
            {mayEnroll.value ? one.said && one.said.kind !== "not" ? <SaidLine one={one} /> : <Say one={one} answer={answer} /> : null}
          </>
        )}
      </div>
      {one.state === "answered" && answer && answer.candidates.length > 0 && <Evidence one={one} answer={answer} />}
    </article>
  );
}

const TALLEST = 280; // pixels of the picture on the page

function Probe({ one }: { one: Asked }) {
  const [size, setSize] = useState<[number, number] | null>(null);
  const [isShown, setShown] = useState(true);
  const [isCropping, setCropping] = useState(false);
  return (
    <div class="probe">
      <div class="probe-picture" style={size ? { width: `min(100%, ${Math.round((TALLEST * size[0]) / size[1])}px)` } : {}}>
        {isShown ? (
          <img
            src={one.source}
            alt={t("answer.probe", { name: one.name })}
            onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setSize([naturalWidth, naturalHeight])}
            onError={() => setShown(false)}
          />
        ) : (
          <p class="hint">
            <Icon name="picture" />
            {t("answer.no_preview")}
          </p>
        )}
        {one.box && size && (
          <span
            class="outline"
            style={{
              left: `${(100 * one.box[0]) / size[0]}%`,
              top: `${(100 * one.box[1]) / size[1]}%`,
              width: `${(100 * (one.box[2] - one.box[0])) / size[0]}%`,
              height: `${(100 * (one.box[3] - one.box[1])) / size[1]}%`,
            }}
          />
        )}
      </div>
      <div class="probe-name">
        <bdi>{one.name}</bdi>
      </div>
      <div class="actions tight">
        {isShown && (
          <button type="button" class="plain" onClick={() => setCropping(true)}>
            <Icon name="crop" />
            {t("crop")}
          </button>
        )}
        <button type="button" class="plain" aria-label={t("answer.remove", { name: one.name })} onClick={() => remove(one.id)}>
          <Icon name="close" />
          {t("remove")}
        </button>
      </div>
      {isCropping && (
        <Crop
          source={one.source}
          name={one.name}
          box={one.box}
          onClose={() => setCropping(false)}
          onChoose={(box) => {
            setCropping(false);
            askAgain(one.id, { box });
          }}
        />
      )}
    </div>
  );
}

function Verdict({ answer }: { answer: Identified }) {
  const nearest = answer.candidates[0];
  return (
    <>
      <p class={`decision ${answer.decision}`}>
        <Icon name={answer.decision === "known" ? "check" : answer.decision === "unknown" ? "close" : "warn"} />
        {t(`decision.${answer.decision}`)}
      </p>
      <h2>{answer.subject === null ? t("answer.unknown") : <Name of={answer.subject} />}</h2>
      <p class="sure">
        <Sureness answer={answer} nearest={nearest} />
      </p>
      {answer.decision === "known" && answer.probability !== null && (
        <p class="hint">{t("sure.probability", { percent: percent(answer.probability) })}</p>
      )}
      {answer.excluded.length > 0 && (
        <p class="hint">
          <T words="answer.excluded" name={<Name of={answer.excluded.join(", ")} />} />
        </p>
      )}
    </>
  );
}

/** How sure the answer is, and at which error rate, in one sentence. */
function Sureness({ answer, nearest }: { answer: Identified; nearest?: Candidate }) {
  const { decision, p_value: p, target_fpir: target } = answer;
  if (!nearest) return <>{t("sure.nothing")}</>;
  const name = <Name of={nearest.subject} />;
  if (decision === "uncalibrated" || p === null || target === null) return <>{t(isCalibratedNoMore(answer) ? "sure.unsupported" : "sure.uncalibrated")}</>;
  return <T words={`sure.${decision}`} name={name} p={rate(p)} target={rate(target)} />;
}

/** Whether the gallery was calibrated, and has changed so that its rate is not known any more. */
function isCalibratedNoMore(answer: Identified): boolean {
  return !answer.note.startsWith("the gallery is not calibrated");
}

function Say({ one, answer }: { one: Asked; answer: Identified }) {
  const open = useSignal<"new" | "other" | null>(null);
  const isBusy = useSignal(false);
  const buttons = useRef<HTMLDivElement>(null);
  const closed = useRef(""); // what was asked for last, whose button gets the focus again
  useEffect(() => {
    if (!open.value) buttons.current?.querySelector<HTMLElement>(`[data-asks="${closed.current}"]`)?.focus();
    closed.current = "";
  }, [open.value]);
  const act = (work: () => Promise<void>) => {
    isBusy.value = true;
    open.value = null;
    work()
      .catch(notifyProblem)
      .finally(() => (isBusy.value = false));
  };
  const { subject } = answer;
  if (open.value) {
    return (
      <SubjectPicker
        label={t(open.value === "new" ? "say.new_name" : "say.who")}
        action={t("say.save")}
        mayBeNew
        suggested={open.value === "other" ? answer.candidates.map((each) => each.subject).filter((name) => name !== subject) : []}
        onChoose={(name, isNew) => act(() => enrollAs(one, name, isNew ? "new" : "other"))}
        onClose={() => {
          closed.current = open.value ?? "";
          open.value = null;
        }}
      />
    );
  }
  return (
    <>
      {one.said?.kind === "not" && <SaidLine one={one} />}
      <div ref={buttons} class="actions" role="group" aria-label={t("say.label")}>
        {subject !== null && (
          <>
            <button type="button" class="primary" disabled={isBusy.value} onClick={() => act(() => enrollAs(one, subject, "yes"))}>
              <Icon name="check" />
              {t("say.yes")}
            </button>
            <button type="button" disabled={isBusy.value} onClick={() => act(() => rejectAs(one, subject))}>
              <Icon name="close" />
              {t("say.not")}
            </button>
          </>
        )}
        <button type="button" data-asks="new" class={subject === null ? "primary" : ""} disabled={isBusy.value} onClick={() => (open.value = "new")}>
          <Icon name="add" />
          {t("say.new")}
        </button>
        {answer.candidates.length > 0 && (
          <button type="button" data-asks="other" disabled={isBusy.value} onClick={() => (open.value = "other")}>
            <Icon name="person" />
            {t(subject === null ? "say.one_of_them" : "say.other")}
          </button>
        )}
      </div>
    </>
  );
}

function SaidLine({ one }: { one: Asked }) {
  const said = one.said;
  if (!said) return null;
  const words = said.isDuplicate ? "said.duplicate" : (`said.${said.kind}` as const);
  return (
    <p class="said" role="status">
      <Icon name="check" />
      <span>
        <T words={words} name={<SubjectLink of={said.name} />} />
      </span>
      {said.undo && (
        <button
          type="button"
          class="plain"
          onClick={() => {
            const { undo } = said;
            change(one.id, { said: { ...said, undo: undefined } });
            undo?.().catch((error: unknown) => {
              change(one.id, { said });
              notifyProblem(error);
            });
          }}
        >
          <Icon name="undo" />
          {t("undo")}
        </button>
      )}
    </p>
  );
}

const SHOWN = 3; // examples of the nearest subject

function Evidence({ one, answer }: { one: Asked; answer: Identified }) {
  const [first, ...others] = answer.candidates;
  if (!first) return null;
  return (
    <div class="evidence">
      <h3>
        {t("evidence.title")}
        <span class="hint">{t("evidence.distance")}</span>
      </h3>
      <div class="matches">
        {first.examples.slice(0, SHOWN).map((match) => (
          <figure key={match.id}>
            <Picture of={api.value.thumbnail(match.id)} alt={t("evidence.match", { name: first.subject })} />
            <figcaption>{match.distance !== null && distance(match.distance)}</figcaption>
          </figure>
        ))}
      </div>
      <p class="match-name">
        <SubjectLink of={first.subject} />
      </p>
      {others.length > 0 && (
        <ul class="others" aria-label={t("evidence.others")}>
          {others.slice(0, 3).map((other) => (
            <li key={other.subject}>
              {other.examples[0] && <Picture of={api.value.thumbnail(other.examples[0].id, 96)} alt="" />}
              <SubjectLink of={other.subject} />
              <span class="hint">{other.distance !== null && distance(other.distance)}</span>
            </li>
          ))}
        </ul>
      )}
      <Parts one={one} />
    </div>
  );
}

function distance(value: number): string {
  return number(value, value < 10 ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 3 });
}
