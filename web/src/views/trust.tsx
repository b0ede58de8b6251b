/** Trust: how often answers are wrong or missing, at the rate in force and at any other that could be chosen. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Curve, CurvePoint } from "../api";
import { CalibrationOffer, calibrateTo, isWorthCalibrating } from "../parts/calibration_offer";
import { ChangedPictures } from "../parts/changed_pictures";
import { DetChart } from "../parts/det_chart";
import { EmptyGallery } from "../parts/empty_gallery";
import { ProblemText } from "../parts/notices";
import { ofHundred, placeOf } from "../rates";
import { api, calibration, gallery, mayCalibrate, notify } from "../state";
import { number, percent, rate, t } from "../words";
import "../styles/trust.css";

const LOOSEST = 0.5; // the highest rate that the page offers

export default function Trust() {
  const curve = useSignal<Curve | null>(null);
  const error = useSignal<unknown>(null);
  const tries = useSignal(0);
  const present = gallery.value;
  const isEmpty = present?.subjects === 0;
  useEffect(() => {
    if (isEmpty) return;
    const stop = new AbortController();
    error.value = null;
    api.value.curve(stop.signal).then(
      (found) => (curve.value = found),
      (problem: unknown) => !stop.signal.aborted && (error.value = problem),
    );
    return () => stop.abort();
  }, [present?.revision, isEmpty, tries.value]);
  return (
    <>
      <h1>{t("trust.title")}</h1>
      {isEmpty ? (
        <EmptyGallery words="trust.empty" />
      ) : error.value !== null ? (
        <ProblemText error={error.value} onRetry={() => tries.value++} />
      ) : curve.value === null ? (
        <p class="loading" role="status">
          <span class="spinner" aria-hidden="true" />
          {t("trust.loading")}
        </p>
      ) : (
        <Found curve={curve.value} />
      )}
    </>
  );
}

function Found({ curve }: { curve: Curve }) {
  const points = offered(curve.points);
  const fpir = curve.fpir;
  const inForce = fpir === null ? -1 : placeOf(points, fpir);
  const chosen = useSignal(inForce >= 0 ? inForce : Math.max(0, placeOf(points, 0.1)));
  useEffect(() => {
    chosen.value = inForce >= 0 ? inForce : Math.max(0, placeOf(points, 0.1));
  }, [fpir, points.length]);
  const place = Math.min(chosen.value, points.length - 1);
  const at = points[place];
  return (
    <>
      {!curve.is_calibrated && <CalibrationOffer />}
      {curve.is_calibrated && fpir !== null && <InForce curve={curve} fpir={fpir} point={points[inForce]} />}
      {at ? (
        <Choice curve={curve} points={points} place={place} at={at} inForce={inForce} onChoose={(one) => (chosen.value = one)} />
      ) : (
        <p class="banner warn">{t("trust.too_few")}</p>
      )}
      <Required curve={curve} />
    </>
  );
}

/** The points that the page offers, of which each is stricter than the next. */
function offered(points: CurvePoint[]): CurvePoint[] {
  const few = points.filter((one) => one.fpir <= LOOSEST);
  return few.length > 1 ? few : points;
}

/** The calibration in words. */
function InForce({ curve, fpir, point }: { curve: Curve; fpir: number; point?: CurvePoint }) {
  const interval = calibration.value?.interval;
  return (
    <section class="card trust-card" tabIndex={-1} aria-labelledby="in-force">
      <h2 id="in-force">{t("trust.now")}</h2>
      <Sentences fpir={fpir} point={point} />
      <p class="hint">
        {t(curve.kind === "subjects" ? "trust.rests.subjects" : "trust.rests.strangers", { n: curve.n })}{" "}
        {interval && t("trust.interval", { low: percent(interval.low), high: percent(interval.high) })}
      </p>
      {calibration.value?.is_stale && <p class="hint">{t("trust.stale")}</p>}
    </section>
  );
}

/** What a rate means, of a hundred pictures each. */
function Sentences({ fpir, point }: { fpir: number; point?: CurvePoint }) {
  const missed = point?.fnir ?? null;
  const wrong = point?.wrong ?? 0;
  const named = missed === null ? 0 : 1 - missed;
  return (
    <>
      <p>{t("trust.strangers", { share: hundred(fpir, 10) })}</p>
      {missed === null ? (
        <p>{t("trust.single")}</p>
      ) : (
        <>
          <p>{t("trust.enrolled", wholes(named, missed - wrong, wrong))}</p>
          <div class="shares" aria-hidden="true">
            <span class="right" style={{ flexGrow: named }} />
            <span class="unknown" style={{ flexGrow: missed - wrong }} />
            <span class="wrong" style={{ flexGrow: wrong }} />
          </div>
          <ul class="legend" aria-hidden="true">
            <li class="right">{t("trust.legend.right")}</li>
            <li class="unknown">{t("trust.legend.unknown")}</li>
            <li class="wrong">{t("trust.legend.wrong")}</li>
          </ul>
        </>
      )}
    </>
  );
}

/** Three shares of a hundred in words, whose sum is 100. */
function wholes(named: number, unknown: number, missed: number): Record<"right" | "unknown" | "wrong", string> {
  const shares = [named, unknown, missed];
  const [right, not, wrong] = ofHundred(shares).map((whole, place) => (whole === 0 && (shares[place] as number) > 0 ? t("trust.below_one") : number(whole)));
  return { right: right ?? "", unknown: not ?? "", wrong: wrong ?? "" };
}

/** A share of a hundred, such as "23" or "0.4"; with decimals below `whole`. */
function hundred(share: number, whole = 1): string {
  const of = 100 * share;
  if (of > 0 && of < 0.05) return t("trust.hardly");
  return number(of, { maximumFractionDigits: of < whole ? 1 : 0 });
}

interface ChoiceProperties {
  curve: Curve;
  points: CurvePoint[];
  place: number;
  at: CurvePoint;
  inForce: number;
  onChoose: (place: number) => void;
}

function Choice({ curve, points, place, at, inForce, onChoose }: ChoiceProperties) {
  const missed = at.fnir === null ? "" : t("trust.missed", { share: hundred(at.fnir) });
  const before = curve.fpir ?? 1; // without a calibration every picture gets a name
  return (
    <section class="card trust-card" tabIndex={-1} aria-labelledby="other-rate">
      <h2 id="other-rate">{t(inForce >= 0 ? "trust.other" : "trust.choose")}</h2>
      <div class="trust-choice">
        <div>
          <DetChart points={points} chosen={place} present={curve.fpir} label={t("trust.chart", { rate: rate(at.fpir), missed })} onChoose={onChoose} />
          <ul class="legend marks" aria-hidden="true">
            <li class="at">{t("trust.mark.chosen")}</li>
            {inForce >= 0 && <li class="now">{t("trust.mark.present")}</li>}
            <li class="area">{t("trust.mark.interval")}</li>
          </ul>
        </div>
        <div class="stack">
          <label for="rate">{t("trust.slider")}</label>
          <input
            id="rate"
            type="range"
            min={0}
            max={points.length - 1}
            step={1}
            value={place}
            aria-valuetext={`${t("trust.at_most", { rate: rate(at.fpir) })}. ${missed}`}
            onInput={(event) => onChoose(Number(event.currentTarget.value))}
          />
          <div class="ends hint" aria-hidden="true">
            <span>{t("trust.stricter")}</span>
            <span>{t("trust.looser")}</span>
          </div>
          <div class="stack" aria-live="polite">
            <p class="chosen-rate">{t("trust.at_most", { rate: rate(at.fpir) })}</p>
            <Sentences fpir={at.fpir} point={at} />
            {at.fnir_interval && (
              <p class="hint">{t("trust.missed_interval", { low: hundred(at.fnir_interval.low), high: hundred(at.fnir_interval.high) })}</p>
            )}
            <p class="hint">
              {at.threshold === null ? t("trust.no_threshold") : t("trust.threshold", { score: number(at.threshold, { maximumSignificantDigits: 3 }) })}
            </p>
          </div>
          {place !== inForce && (curve.is_calibrated || isWorthCalibrating(gallery.value?.subjects ?? 0)) && <Use curve={curve} fpir={at.fpir} />}
        </div>
      </div>
      {place === inForce ? (
        <p class="hint">{t("trust.move")}</p>
      ) : (
        <>
          <ChangedPictures probes="mated" before={before} after={at.fpir} />
          {curve.kind === "subjects" && <ChangedPictures probes="non_mated" before={before} after={at.fpir} />}
        </>
      )}
      <p class="hint">
        {t("trust.how", { n: curve.probes, subjects: number(curve.subjects) })}
      </p>
    </section>
  );
}

/** Calibrate to the chosen rate. */
function Use({ curve, fpir }: { curve: Curve; fpir: number }) {
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);
  useEffect(() => {
    error.value = null;
  }, [fpir]);
  if (!mayCalibrate.value) return <p class="hint">{t("trust.no_role")}</p>;
  const use = async () => {
    isBusy.value = true;
    error.value = null;
    try {
      await calibrateTo(fpir, { scoring: curve.scoring, uncertain: calibration.value?.uncertain });
      notify({ kind: "done", text: t("calibration.done", { rate: rate(fpir) }) });
    } catch (problem) {
      error.value = problem;
    }
    isBusy.value = false;
  };
  return (
    <div class="stack">
      {curve.is_calibrated && curve.kind === "strangers" && <p class="hint">{t("trust.replaces_strangers")}</p>}
      <button type="button" class="primary start" disabled={isBusy.value} onClick={() => void use()}>
        {t(isBusy.value ? "calibration.busy" : "trust.use")}
      </button>
      {error.value !== null && <ProblemText error={error.value} onRetry={() => void use()} />}
    </div>
  );
}

/** How many more subjects a stricter rate needs. */
function Required({ curve }: { curve: Curve }) {
  const isScreened = curve.weight > 1;
  const kind = curve.kind === "subjects" && !isScreened ? "subjects" : "strangers";
  return (
    <section class="card trust-card" tabIndex={-1} aria-labelledby="required">
      <h2 id="required">{t("trust.required")}</h2>
      <p>{t(isScreened ? "trust.required.screened" : `trust.required.${kind}`, { n: curve.n })}</p>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("trust.column.rate")}</th>
            <th scope="col">{t(`trust.column.${kind}`)}</th>
            <th scope="col">{t("trust.column.missing")}</th>
          </tr>
        </thead>
        <tbody>
          {curve.required.map((one) => {
            const size = isScreened ? one.strangers : one.size;
            return (
              <tr key={one.fpir} class={one.missing ? "" : "enough"}>
                <th scope="row">{rate(one.fpir)}</th>
                <td>{number(size)}</td>
                <td>{one.missing === 0 ? t("trust.enough") : t("trust.missing", { n: isScreened ? one.strangers : one.missing })}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
