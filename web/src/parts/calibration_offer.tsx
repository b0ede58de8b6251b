/** Says what it means that a gallery is not calibrated, and offers to calibrate it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { pause, Problem, type CurvePoint } from "../api";
import { ofHundred, placeOf } from "../rates";
import { api, gallery, mayCalibrate, notify, refresh } from "../state";
import { number, rate, t } from "../words";
import { Dialog } from "./dialog";
import { ProblemText } from "./notices";

const RATES = [0.1, 0.05, 0.02, 0.01];
const LOOSEST = 0.25; // the highest rate that is worth offering

/** The subjects that a rate takes, as the server counts: the smallest rate of `n` subjects is 2 in n + 1. */
function needed(fpir: number): number {
  return Math.ceil(2 / fpir - 1e-9) - 1;
}

/** The rates to choose from: the usual ones, after the smallest possible one where there are too few subjects for them. */
function offered(subjects: number): number[] {
  const least = 2 / (subjects + 1);
  return least > (RATES[0] ?? 0) && least <= LOOSEST ? [least, ...RATES] : RATES;
}

/** Whether there are enough subjects for a rate that is worth offering. */
export function isWorthCalibrating(subjects: number): boolean {
  return subjects >= needed(LOOSEST);
}

/** Calibrate to a rate, and wait until it is done. Throws what the server says, such as that subjects are too few. */
export async function calibrateTo(fpir: number, keep: { scoring?: string; uncertain?: number | null } = {}): Promise<void> {
  const uncertain = keep.uncertain && keep.uncertain > fpir ? keep.uncertain : undefined;
  let job = await api.value.calibrate(fpir, { scoring: keep.scoring, uncertain });
  while (job.state === "queued" || job.state === "running") {
    await pause(1000);
    job = await api.value.job(job.id);
  }
  if (job.problem) throw new Problem(job.problem.status, job.problem.kind, job.problem.detail, "");
  if (job.state !== "done") throw new Problem(409, "cancelled", t("calibration.cancelled"), "");
  await refresh();
}

export function CalibrationOffer() {
  const isOpen = useSignal(false);
  const subjects = gallery.value?.subjects ?? 0;
  const isPossible = isWorthCalibrating(subjects);
  return (
    <div class="banner">
      <p>
        {t("calibration.missing")}
        {!isPossible && ` ${t("calibration.too_few", { n: subjects, least: needed(LOOSEST), usual: needed(RATES[0] ?? 1) })}`}
      </p>
      {mayCalibrate.value && isPossible && (
        <button type="button" onClick={() => (isOpen.value = true)}>
          {t("calibration.offer")}
        </button>
      )}
      {isOpen.value && <CalibrationDialog onClose={() => (isOpen.value = false)} />}
    </div>
  );
}

export function CalibrationDialog({ onClose }: { onClose: () => void }) {
  const subjects = gallery.value?.subjects ?? 0;
  const rates = offered(subjects);
  const possible = rates.filter((one) => needed(one) <= subjects);
  const chosen = useSignal(possible.includes(0.05) ? 0.05 : (possible.at(-1) ?? 0.1));
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);
  const points = useSignal<CurvePoint[] | null>(null); // null: not measured yet, empty: not known
  useEffect(() => {
    const stop = new AbortController();
    api.value.curve(stop.signal).then(
      (curve) => (points.value = curve.points),
      () => (points.value = []),
    );
    return () => stop.abort();
  }, []);
  const calibrate = async () => {
    isBusy.value = true;
    error.value = null;
    try {
      await calibrateTo(chosen.value);
      notify({ kind: "done", text: t("calibration.done", { rate: rate(chosen.value) }) });
      onClose();
    } catch (problem) {
      error.value = problem;
    }
    isBusy.value = false;
  };
  return (
    <Dialog title={t("calibration.title")} onClose={onClose}>
      <p>{t("calibration.what")}</p>
      <fieldset>
        <legend>{t("calibration.rate")}</legend>
        {rates.map((one) => (
          <div key={one}>
            <label class="choice">
              <input
                type="radio"
                name="rate"
                checked={chosen.value === one}
                disabled={!possible.includes(one)}
                aria-describedby={`misses-${one}`}
                onChange={() => (chosen.value = one)}
              />
              {t("calibration.choice", { rate: rate(one) })}{" "}
              {!possible.includes(one) && <span class="hint">{t("calibration.needs", { n: needed(one) })}</span>}
            </label>
            {possible.includes(one) && (
              <p id={`misses-${one}`} class="hint misses">
                {points.value ? missesAt(points.value, one) : chosen.value === one && t("calibration.measuring")}
              </p>
            )}
          </div>
        ))}
      </fieldset>
      {error.value !== null && <ProblemText error={error.value} />}
      <div class="actions end">
        <button type="button" class="primary" disabled={isBusy.value} onClick={() => void calibrate()}>
          {t(isBusy.value ? "calibration.busy" : "calibration.start")}
        </button>
      </div>
    </Dialog>
  );
}

/** How many pictures of enrolled things would not get the right name at a rate, as a text; "" if that is not known. */
function missesAt(points: CurvePoint[], fpir: number): string {
  const missed = points[placeOf(points, fpir)]?.fnir ?? null;
  if (missed === null) return "";
  return t("calibration.misses", { share: number(ofHundred([missed, 1 - missed])[0] ?? 0) });
}
