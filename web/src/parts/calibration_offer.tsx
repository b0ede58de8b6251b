/** Says what it means that a gallery is not calibrated, and offers to calibrate it. */

import { useSignal } from "@preact/signals";
import { pause, Problem } from "../api";
import { api, mayCalibrate, notify, refresh } from "../state";
import { rate, t } from "../words";
import { Dialog } from "./dialog";
import { ProblemText } from "./notices";

const RATES = [0.1, 0.05, 0.02, 0.01];

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
  return (
    <div class="banner">
      <p>{t("calibration.missing")}</p>
      {mayCalibrate.value && (
        <button type="button" onClick={() => (isOpen.value = true)}>
          {t("calibration.offer")}
        </button>
      )}
      {isOpen.value && <CalibrationDialog onClose={() => (isOpen.value = false)} />}
    </div>
  );
}

export function CalibrationDialog({ onClose }: { onClose: () => void }) {
  const chosen = useSignal(0.05);
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);
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
        {RATES.map((one) => (
          <label key={one} class="choice">
            <input type="radio" name="rate" checked={chosen.value === one} onChange={() => (chosen.value = one)} />
            {t("calibration.choice", { rate: rate(one) })}
          </label>
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
