/** Identify: pictures are dropped, pasted, chosen or taken; each is answered with its evidence, and can be corrected. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask, askAllAgain, asked, leftOut, pending, removeAll } from "../asked";
import { AnswerCard } from "../parts/answer";
import { CalibrationOffer } from "../parts/calibration_offer";
import { Choose, DropHint, useDrop } from "../parts/drop";
import type { Found } from "../parts/files";
import { Icon } from "../parts/icon";
import { isPhone } from "../phone";
import { href } from "../route";
import { calibration, gallery, mayEnroll } from "../state";
import { t } from "../words";
import "../styles/identify.css";

export default function Identify() {
  const name = gallery.value?.name ?? "";
  const isEmpty = gallery.value?.subjects === 0;
  const add = (found: Found[]) => ask(found, name);
  const isOver = useDrop(add);
  const own = asked.value.filter((one) => one.gallery === name);
  const isNotCalibrated = !isEmpty && calibration.value?.is_calibrated === false;
  const spoken = useSpoken();
  return (
    <>
      <div class="title">
        <h1>{t("identify.title")}</h1>
        {own.length > 0 && (
          <div class="actions tight">
            <button type="button" class="plain" onClick={() => askAllAgain(name)}>
              {t("identify.again")}
            </button>
            <button type="button" class="plain" onClick={removeAll}>
              {t("identify.clear")}
            </button>
          </div>
        )}
      </div>
      {isEmpty && (
        <p class="banner">
          {t("identify.empty")}
          {mayEnroll.value && <a href={href("start")}>{t("identify.to_start")}</a>}
        </p>
      )}
      {isNotCalibrated && own.length === 0 && <CalibrationOffer />}
      <section class={own.length ? "drop small" : "drop"} aria-label={t("identify.add")}>
        <Icon name="picture" />
        <p class="drop-text">{t(isPhone.value ? "identify.drop_phone" : "identify.drop")}</p>
        <div class="actions">
          <Choose icon="picture" class="primary" onFiles={add}>
            {t("identify.choose")}
          </Choose>
          <Choose icon="camera" class="only-touch" camera onFiles={add}>
            {t("identify.camera")}
          </Choose>
        </div>
      </section>
      <DropHint isOver={isOver} />
      {leftOut.value.length > 0 && <p class="banner">{t("identify.left_out", { n: leftOut.value.length, names: leftOut.value.slice(0, 3).join(", ") })}</p>}
      {pending.value > 1 && (
        <p class="loading">
          <span class="spinner" aria-hidden="true" />
          {t("identify.pending", { n: pending.value })}
        </p>
      )}
      <p class="hidden" role="status" aria-live="polite">
        {spoken.value}
      </p>
      <div class="answers">
        {own.map((one) => (
          <AnswerCard key={one.id} one={one} />
        ))}
      </div>
      {isNotCalibrated && own.length > 0 && <CalibrationOffer />}
    </>
  );
}

/** The latest answer as a text for screen readers. */
function useSpoken() {
  const spoken = useSignal("");
  const answered = asked.value.filter((one) => one.state === "answered" && one.answer);
  const marks = answered.map((one) => `${one.id} ${one.answer?.decision} ${one.answer?.subject}`).join();
  useEffect(() => {
    const latest = answered[0]?.answer;
    if (latest) spoken.value = latest.subject ? t("spoken.named", { name: latest.subject, decision: t(`decision.${latest.decision}`) }) : t("decision.unknown");
  }, [marks]);
  return spoken;
}
