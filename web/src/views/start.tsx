/** Start: says what to do with an empty gallery; a folder of folders is dropped, looked over, and enrolled. */

import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { LeftOut as Skipped } from "../api";
import { follow, forgetInterrupted, incoming, interrupted, others, planOf, run, running, stop, type Group, type Plan, type Running } from "../imports";
import { CalibrationOffer } from "../parts/calibration_offer";
import { Choose, DropHint, useDrop } from "../parts/drop";
import { EnrollDialog } from "../parts/enroll_dialog";
import { FilePicture } from "../parts/file_picture";
import type { Found } from "../parts/files";
import { Icon } from "../parts/icon";
import { notifyProblem, ProblemText } from "../parts/notices";
import { isPhone } from "../phone";
import { href } from "../route";
import { calibration, gallery, mayEnroll } from "../state";
import { Name, number, t } from "../words";
import "../styles/start.css";

const FEW = 3; // subjects below which the steps are shown

export default function Start() {
  const name = gallery.value?.name ?? "";
  const isNew = (gallery.value?.subjects ?? 0) < FEW;
  const present = running.value?.gallery === name ? running.value : null;
  const isRunning = present?.state === "running";
  const single = useSignal<Found[] | null>(null);
  const add = (found: Found[]) => {
    if (running.value?.state === "running" || !mayEnroll.value) return;
    if (!found.some((one) => one.path.includes("/"))) {
      single.value = found;
      return;
    }
    running.value = null;
    incoming.value = found;
  };
  const isOver = useDrop(add);
  useEffect(() => {
    const stopped = new AbortController();
    follow(name, stopped.signal).catch(notifyProblem);
    return () => stopped.abort();
  }, [name]);
  return (
    <>
      <h1>{t(isNew ? "start.title_empty" : "start.title")}</h1>
      {!mayEnroll.value && <p class="banner">{t("start.read_only")}</p>}
      {isNew && !present && incoming.value.length === 0 && <Steps />}
      <Others />
      {present ? (
        <Progress one={present} />
      ) : incoming.value.length > 0 ? (
        <Preview found={incoming.value} gallery={name} />
      ) : (
        mayEnroll.value && <Drop name={name} onFiles={add} />
      )}
      {present?.state === "done" && calibration.value?.is_calibrated === false && <CalibrationOffer />}
      {mayEnroll.value && !isRunning && <DropHint isOver={isOver} />}
      {single.value && <EnrollDialog found={single.value} name="" onClose={() => (single.value = null)} />}
    </>
  );
}

function Steps() {
  return (
    <ol class="steps">
      {(["start.step1", isPhone.value ? "start.step2_phone" : "start.step2", "start.step3"] as const).map((words, place) => (
        <li key={words}>
          <span class="step" aria-hidden="true">
            {number(place + 1)}
          </span>
          <p>{t(words)}</p>
        </li>
      ))}
    </ol>
  );
}

function Drop({ name, onFiles }: { name: string; onFiles: (found: Found[]) => void }) {
  const [before, setBefore] = useState(() => interrupted(name));
  const folder = (
    <Choose key="folder" icon="folder" class={isPhone.value ? "" : "primary"} folder onFiles={onFiles}>
      {t("start.choose")}
    </Choose>
  );
  const pictures = (
    <Choose key="pictures" icon="picture" class={isPhone.value ? "primary" : ""} onFiles={onFiles}>
      {t("start.choose_pictures")}
    </Choose>
  );
  return (
    <>
      {before && (
        <p class="banner warn">
          {t("start.interrupted", { done: before.done, n: before.total })}
          <button
            type="button"
            class="plain"
            onClick={() => {
              forgetInterrupted();
              setBefore(null);
            }}
          >
            {t("understood")}
          </button>
        </p>
      )}
      <section class="drop" aria-label={t("start.drop_label")}>
        <Icon name="folder" />
        <p class="drop-text">{t(isPhone.value ? "start.drop_phone" : "start.drop")}</p>
        <div class="actions">
          {isPhone.value ? [pictures, folder] : [folder, pictures]}
        </div>
        <pre class="tree" aria-label={t("start.tree")}>
          {t("start.example")}
        </pre>
      </section>
      <p class="hint">{t(isPhone.value ? "start.single_phone" : "start.single")}</p>
    </>
  );
}

const SHOWN = 24; // subjects of a preview
const LISTED = 5; // files that cannot be used, which are listed at once

function Preview({ found, gallery }: { found: Found[]; gallery: string }) {
  const isInnermost = useSignal(false);
  const plan = planOf(found, isInnermost.value);
  const cancel = () => (incoming.value = []);
  const start = () => {
    forgetInterrupted();
    incoming.value = [];
    void run(plan, gallery);
  };
  return (
    <section class="card preview" aria-label={t("preview.label")}>
      <h2>{t("preview.title", { n: plan.groups.length })}</h2>
      <p>{t("preview.pictures", { n: plan.pictures, size: size(plan.bytes) })}</p>
      {plan.groups.length === 0 && <p class="banner warn">{t("preview.none")}</p>}
      {plan.isNested && (
        <fieldset>
          <legend>{t("preview.names")}</legend>
          <label class="choice">
            <input type="radio" name="names" checked={!isInnermost.value} onChange={() => (isInnermost.value = false)} />
            {t("preview.outer")}
          </label>
          <label class="choice">
            <input type="radio" name="names" checked={isInnermost.value} onChange={() => (isInnermost.value = true)} />
            {t("preview.inner")}
          </label>
        </fieldset>
      )}
      <ul class="folders">
        {plan.groups.slice(0, SHOWN).map((one) => (
          <GroupTile key={one.name} one={one} />
        ))}
      </ul>
      {plan.groups.length > SHOWN && <p class="hint">{t("preview.more", { n: plan.groups.length - SHOWN })}</p>}
      <LeftOut plan={plan} />
      <div class="actions">
        {plan.groups.length > 0 && (
          <button type="button" class="primary" onClick={start}>
            {t("preview.start")}
          </button>
        )}
        <button type="button" onClick={cancel}>
          {t("cancel")}
        </button>
      </div>
    </section>
  );
}

function GroupTile({ one }: { one: Group }) {
  return (
    <li>
      <FilePicture file={one.files[0]?.file} />
      <span>
        <Name of={one.name} />
        <span class="hint">{t("gallery.examples", { n: one.files.length })}</span>
      </span>
    </li>
  );
}

function LeftOut({ plan }: { plan: Plan }) {
  if (!plan.leftOut.length) return null;
  return (
    <details>
      <summary>{t("preview.left_out", { n: plan.leftOut.length })}</summary>
      <ul class="hint">
        {plan.leftOut.slice(0, 50).map(({ path, why }) => (
          <li key={path}>
            <bdi>{path}</bdi>: {t(`preview.${why}`)}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Progress({ one }: { one: Running }) {
  const isRunning = one.state === "running";
  const { result } = one;
  return (
    <section class="card preview" aria-label={t("progress.label")}>
      <h2>{t(`progress.${one.state}`)}</h2>
      <progress max={one.total} value={one.done} aria-label={t("progress.label")} />
      {one.state !== "done" && (
        <p role="status" aria-live="polite">
          {t("progress.count", { done: one.done, n: one.total })}
        </p>
      )}
      {isRunning && <p class="hint">{t("progress.hint")}</p>}
      {one.error !== undefined && <ProblemText error={one.error} />}
      {!isRunning && (
        <>
          <p>
            {t("progress.added", { n: result.added })}
            {result.duplicates > 0 && ` ${t("enroll.duplicates", { n: result.duplicates })}`}
          </p>
          {result.skipped_count > 0 && (
            <details open={result.skipped_count <= LISTED}>
              <summary>{t("progress.skipped", { n: result.skipped_count })}</summary>
              <ul class="hint">
                {result.skipped.map((each) => (
                  <li key={each.name}>
                    <bdi>{each.name}</bdi>: <Reason of={each} />
                  </li>
                ))}
              </ul>
            </details>
          )}
        </>
      )}
      <div class="actions">
        {isRunning ? (
          <button type="button" onClick={stop}>
            {t("progress.stop")}
          </button>
        ) : (
          <>
            <a class="button primary" href={href("identify")}>
              {t("progress.identify")}
            </a>
            <a class="button" href={href("gallery")}>
              {t("progress.gallery")}
            </a>
            <button type="button" onClick={() => (running.value = null)}>
              {t("progress.again")}
            </button>
          </>
        )}
      </div>
    </section>
  );
}

/** Why a file cannot be used: in the language of the page if that is the usual reason, else as the server wrote it. */
function Reason({ of: { name, reason } }: { of: Skipped }) {
  if (reason.includes("no picture in a format")) return <>{t("problem.not-a-picture")}</>;
  return <span lang="en">{reason.replace(name, "").trim()}</span>;
}

/** An import that goes on in the server, though this tab does not send it. */
function Others() {
  const job = others.value;
  if (!job) return null;
  return (
    <section class="card preview" aria-label={t("others.label")}>
      <h2>{t("others.label")}</h2>
      <progress max={job.total || 1} value={job.done} aria-label={t("others.label")} />
      <p role="status" aria-live="polite">
        {t("progress.count", { done: job.done, n: job.total })}
      </p>
      <p class="hint">{t("others.hint")}</p>
    </section>
  );
}

function size(bytes: number): string {
  const unit = bytes < 1e6 ? "kilobyte" : bytes < 1e9 ? "megabyte" : "gigabyte";
  const scale = { kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit];
  return number(bytes / scale, { style: "unit", unit, maximumSignificantDigits: 2 });
}
