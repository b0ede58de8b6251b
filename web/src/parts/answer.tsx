/** The answer for one picture: verdict, how sure it is, what it rests on, and what the user says of it. */

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem, type Candidate, type Identified } from "../api";
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
        {one.state === "failed" && <ProblemText error={one.error} onRetry={isOfPicture(one.error) ? undefined : () => askAgain(one.id)} />}
        {one.state === "answered" && answer && (
          <>
            {one.said?.kind === "new" || one.said?.kind === "other" ? (
              <Corrected name={one.said.name} answer={answer} />
            ) : (
              <Verdict answer={answer} isNoted={one.said?.kind === "not"} />
            )}
            {mayEnroll.value ? one.said && one.said.kind !== "not" ? <SaidLine one={one} /> : <Say one={one} answer={answer} /> : null}
          </>
        )}
      </div>
      {one.state === "answered" && answer && answer.candidates.length > 0 && <Evidence one={one} answer={answer} />}
    </article>
  );
}

/** Whether the picture is the reason of an error: asking again changes nothing. */
function isOfPicture(error: unknown): boolean {
  return error instanceof Problem && [413, 415, 422].includes(error.status);
}

function Probe({ one }: { one: Asked }) {
  const [size, setSize] = useState<[number, number] | null>(null);
  const [isShown, setShown] = useState(true);
  const [isCropping, setCropping] = useState(false);
  return (
    <div class="probe">
      <div class="probe-picture" style={size ? { "--shape": size[0] / size[1] } : {}}>
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

/** What the user said that a picture shows, in the place of the answer. */
function Corrected({ name, answer }: { name: string; answer: Identified }) {
  return (
    <>
      <p class="decision known">
        <Icon name="check" />
        {t("decision.corrected")}
      </p>
      <h2>
        <Name of={name} />
      </h2>
      <p class="hint">
        <T words="answer.was" name={answer.subject === null ? t("answer.unknown") : <Name of={answer.subject} />} />
      </p>
    </>
  );
}

function Verdict({ answer, isNoted }: { answer: Identified; isNoted: boolean }) {
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
      {answer.excluded.length > 0 && !isNoted && (
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
  const isOpen = useSignal(false);
  const isBusy = useSignal(false);
  const asks = useRef<HTMLButtonElement>(null);
  const wasCancelled = useRef(false); // the button gets the focus again
  useLayoutEffect(() => {
    if (!isOpen.value && wasCancelled.current) asks.current?.focus();
    wasCancelled.current = false;
  }, [isOpen.value]);
  const act = (work: () => Promise<void>) => {
    isBusy.value = true;
    isOpen.value = false;
    work()
      .catch(notifyProblem)
      .finally(() => (isBusy.value = false));
  };
  const { subject } = answer;
  if (isOpen.value) {
    return (
      <SubjectPicker
        label={t("say.who")}
        action={t("say.save")}
        mayBeNew
        suggested={answer.candidates.map((each) => each.subject).filter((name) => name !== subject)}
        onChoose={(name, isNew) => act(() => enrollAs(one, name, isNew ? "new" : "other"))}
        onClose={() => {
          wasCancelled.current = true;
          isOpen.value = false;
        }}
      />
    );
  }
  return (
    <>
      {one.said?.kind === "not" && <SaidLine one={one} />}
      {subject !== null && (
        <p id={`right-${one.id}`} class="question">
          {t("say.label")}
        </p>
      )}
      <div class="actions" role="group" aria-labelledby={subject === null ? undefined : `right-${one.id}`}>
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
        <button ref={asks} type="button" class={subject === null ? "primary" : ""} disabled={isBusy.value} onClick={() => (isOpen.value = true)}>
          <Icon name="edit" />
          {t(subject === null ? "say.name" : "say.other")}
        </button>
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
  if (value === 0) return number(0);
  return number(value, value < 10 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumSignificantDigits: 3 });
}
