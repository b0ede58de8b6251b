/** Which parts of a picture made it similar: a heat map over it, or the server's sheet if the browser cannot show it. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Box, Evidence } from "../api";
import { uploadOf, type Asked } from "../asked";
import { api } from "../state";
import { Name, T, t } from "../words";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { ProblemText } from "./notices";

export function Parts({ one }: { one: Asked }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="plain" onClick={() => setOpen(true)}>
        <Icon name="heat" />
        {t("parts.button")}
      </button>
      {isOpen && <PartsDialog one={one} onClose={() => setOpen(false)} />}
    </>
  );
}

type Shown = { image: HTMLImageElement; evidence: Evidence } | { sheet: string };

function PartsDialog({ one, onClose }: { one: Asked; onClose: () => void }) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    let sheet = "";
    const find = async () => {
      const image = await loaded(one.source);
      if (image) setShown({ image, evidence: await api.value.evidence(uploadOf(one), stop.signal) });
      else setShown({ sheet: (sheet = URL.createObjectURL(await api.value.explain(uploadOf(one), stop.signal))) });
    };
    find().catch((problem: unknown) => !stop.signal.aborted && setError(problem));
    return () => {
      stop.abort();
      URL.revokeObjectURL(sheet);
    };
  }, []);
  return (
    <Dialog title={t("parts.title")} onClose={onClose} wide>
      {error !== null ? (
        <ProblemText error={error} />
      ) : shown === null ? (
        <p class="loading" role="status">
          <span class="spinner" aria-hidden="true" />
          {t("parts.loading")}
        </p>
      ) : "sheet" in shown ? (
        <img class="sheet" src={shown.sheet} alt={t("parts.alt")} />
      ) : (
        <HeatMap {...shown} box={one.box} />
      )}
    </Dialog>
  );
}

async function loaded(source: string): Promise<HTMLImageElement | null> {
  const image = new Image();
  image.src = source;
  return image.decode().then(
    () => image,
    () => null,
  );
}

const SMALL = 0.1; // of the distance: less than that is no reason

function HeatMap({ image, evidence, box }: { image: HTMLImageElement; evidence: Evidence; box: Box | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [kind, setKind] = useState<"saliency" | "contrast" | "none">("saliency");
  const { subject, runner_up: second, distance } = evidence;
  const map = kind === "none" ? null : evidence[kind];
  useEffect(() => {
    if (canvas.current) draw(canvas.current, image, box, evidence, map);
  }, [map]);
  if (!subject || !evidence.saliency) return <p>{t("sure.nothing")}</p>;
  const isWeak = largest(evidence.saliency) < SMALL * (distance ?? 0);
  return (
    <div class="heat">
      <canvas ref={canvas} width={evidence.width * 2} height={evidence.height * 2} role="img" aria-label={t("parts.alt")} />
      <div class="stack">
        <fieldset>
          <legend>{t("parts.show")}</legend>
          <label class="choice">
            <input type="radio" name="map" checked={kind === "saliency"} onChange={() => setKind("saliency")} />
            <span>
              <T words="parts.saliency" name={<Name of={subject} />} />
            </span>
          </label>
          {second && evidence.contrast && (
            <label class="choice">
              <input type="radio" name="map" checked={kind === "contrast"} onChange={() => setKind("contrast")} />
              <span>
                <T words="parts.contrast" name={<Name of={subject} />} second={<Name of={second} />} />
              </span>
            </label>
          )}
          <label class="choice">
            <input type="radio" name="map" checked={kind === "none"} onChange={() => setKind("none")} />
            {t("parts.none")}
          </label>
        </fieldset>
        <p class="hint">
          <span class="key for" aria-hidden="true" /> {t("parts.for")}
          <br />
          <span class="key against" aria-hidden="true" /> {t("parts.against")}
        </p>
        {isWeak && <p>{t("parts.weak")}</p>}
        <p class="hint">{t("parts.hint")}</p>
      </div>
    </div>
  );
}

function largest(map: number[][]): number {
  return Math.max(...map.flat().map(Math.abs), Number.MIN_VALUE);
}

/** Draw the part of the picture that was used, and a map over it: red for, blue against. */
function draw(canvas: HTMLCanvasElement, image: HTMLImageElement, box: Box | null, evidence: Evidence, map: number[][] | null): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const [left, top, right, bottom] = box ?? [0, 0, image.naturalWidth, image.naturalHeight];
  context.drawImage(image, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
  if (!map?.[0] || !evidence.cell) return;
  const [rows, columns] = [map.length, map[0].length];
  const small = new OffscreenCanvas(columns, rows);
  const colors = small.getContext("2d");
  if (!colors) return;
  const pixels = colors.createImageData(columns, rows);
  const most = largest(map);
  map.flat().forEach((value, place) => {
    pixels.data.set([value > 0 ? 225 : 20, value > 0 ? 30 : 90, value > 0 ? 20 : 235, 170 * (Math.abs(value) / most)], place * 4);
  });
  colors.putImageData(pixels, 0, 0);
  const scale = (canvas.width / evidence.width) * evidence.cell;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, columns * scale, rows * scale);
}
