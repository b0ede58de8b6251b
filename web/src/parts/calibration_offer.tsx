/** Says what it means that a gallery is not calibrated, and offers to calibrate it. */

import { useSignal } from "@preact/signals";
import { Problem } from "../api";
import { api, mayCalibrate, notify, refresh } from "../state";
import { rate, t } from "../words";
import { Dialog } from "./dialog";
import { ProblemText } from "./notices";

const RATES = [0.1, 0.05, 0.02, 0.01];

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
      let job = await api.value.calibrate(chosen.value);
      while (job.state === "queued" || job.state === "running") {
        await new Promise((done) => setTimeout(done, 1000));
        job = await api.value.job(job.id);
      }
      if (job.problem) throw new Problem(job.problem.status, job.problem.kind, job.problem.detail, "");
      await refresh();
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
