/** The drawn map: zoom, pan, a line around points, and the picture of the one that the pointer is at. */

import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Pointing } from "../map/pointing";
import { colorsOf, type Points } from "../map/points";
import { Scatter, type Camera } from "../map/scatter";
import { go } from "../route";
import { api, theme } from "../state";
import { T, t } from "../words";
import { Icon } from "./icon";
import { Picture } from "./picture";
import { SubjectLink } from "./subject_link";

interface Properties {
  points: Points;
  chosen: Set<number>;
  /** The points that the map should show, such as those of a subject that was searched for. */
  target: number[] | null;
  onChoose: (chosen: number[]) => void;
}

interface Shown {
  point: number;
  left: number;
  top: number;
}

const REACH = 14; // pixels from the pointer to a point
const CLOSE = 12; // times the whole map, at most, when a subject is shown
const CARD = 210; // pixels of the height of the picture with its name

export function MapCanvas({ points, chosen, target, onChoose }: Properties) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scatter = useRef<Scatter | null>(null);
  const pointing = useRef<Pointing | null>(null);
  const camera = useRef<Camera>({ x: 0, y: 0, zoom: 0 });
  const redraw = useRef<() => void>(() => {});
  const latest = useRef({ points, onChoose });
  latest.current = { points, onChoose };
  const [isMissing, setMissing] = useState(false);
  const [shown, setShown] = useState<Shown | null>(null);
  const [line, setLine] = useState<[number, number][]>([]);
  const [isLasso, setLasso] = useState(false);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const drawing = Scatter.on(element);
    if (!drawing) {
      setMissing(true);
      return;
    }
    let frame = 0;
    const draw = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => drawing.draw(camera.current, pointSize(latest.current.points.length, camera.current, hand.whole())));
    };
    const at = (place: [number, number]): Shown | null => {
      const point = latest.current.points.nearest(...hand.toPlane(place), REACH / camera.current.zoom);
      return point < 0 ? null : { point, left: place[0], top: place[1] };
    };
    const hand = new Pointing(element, () => camera.current, {
      move: (next) => {
        camera.current = next;
        setShown(null);
        draw();
      },
      point: (place) => setShown(place && at(place)),
      open: (place, isTouch) => {
        const found = at(place);
        if (found && !isTouch) go("gallery", latest.current.points.subjectOf(found.point));
        else setShown(found);
      },
      surround: (drawn, isDone) => {
        setLine(isDone ? [] : [...drawn]);
        if (isDone) latest.current.onChoose(latest.current.points.inside(drawn.map((place) => hand.toPlane(place))));
      },
    });
    camera.current = hand.whole();
    scatter.current = drawing;
    pointing.current = hand;
    redraw.current = draw;
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      hand.stop();
    };
  }, []);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const paint = () => {
      const isDark = theme.value === "dark" || (theme.value === "auto" && scheme.matches);
      scatter.current?.setPoints(points.places, colorsOf(points, chosen, isDark));
      redraw.current();
    };
    const end = effect(paint);
    scheme.addEventListener("change", paint);
    return () => {
      end();
      scheme.removeEventListener("change", paint);
    };
  }, [points, chosen]);
  useEffect(() => {
    if (pointing.current) pointing.current.isLasso = isLasso;
  }, [isLasso]);
  useEffect(() => {
    if (!target?.length || !pointing.current) return;
    camera.current = around(points, target, pointing.current.whole());
    redraw.current();
  }, [target]);
  if (isMissing) return <p class="banner warn">{t("map.no_webgl")}</p>;
  const zoom = (factor: number) => pointing.current?.zoom(factor);
  return (
    <div class="map-stage card">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        class={isLasso ? "lasso" : ""}
        aria-label={t("map.canvas", { n: points.length, subjects: points.columns.subjects.length })}
        aria-describedby="map-keys"
      />
      <p id="map-keys" class="hidden">
        {t("map.keys")}
      </p>
      {line.length > 1 && (
        <svg class="map-line" aria-hidden="true">
          <polygon points={line.map((place) => place.join(",")).join(" ")} />
        </svg>
      )}
      <div class="map-tools" role="group" aria-label={t("map.tools")}>
        <button type="button" aria-label={t("map.zoom_in")} onClick={() => zoom(1.6)}>
          <Icon name="add" />
        </button>
        <button type="button" aria-label={t("map.zoom_out")} onClick={() => zoom(1 / 1.6)}>
          <Icon name="minus" />
        </button>
        <button
          type="button"
          aria-label={t("map.whole")}
          onClick={() => {
            if (pointing.current) camera.current = pointing.current.whole();
            redraw.current();
          }}
        >
          <Icon name="whole" />
        </button>
        <button type="button" aria-pressed={isLasso} aria-label={t("map.lasso")} onClick={() => setLasso(!isLasso)}>
          <Icon name="lasso" />
        </button>
      </div>
      {shown && <Card shown={shown} points={points} width={canvas.current?.clientWidth ?? 0} />}
    </div>
  );
}

function Card({ shown, points, width }: { shown: Shown; points: Points; width: number }) {
  const id = points.columns.ids[shown.point];
  const subject = points.subjectOf(shown.point);
  const isBelow = shown.top < CARD + 20;
  if (id === undefined) return null;
  return (
    <div
      class="map-card"
      style={{ left: `${Math.min(Math.max(shown.left, 90), Math.max(90, width - 90))}px`, top: `${shown.top + (isBelow ? 16 : -16)}px` }}
      data-below={isBelow}
    >
      <Picture of={api.value.thumbnail(id)} alt={t("evidence.match", { name: subject })} />
      <span class="map-card-name">
        <SubjectLink of={subject} />
      </span>
    </div>
  );
}

/** Pixels of a point: smaller the more there are, larger when they are seen from near. */
function pointSize(count: number, camera: Camera, whole: Camera): number {
  const base = Math.max(3, 14 - 2.4 * Math.log10(Math.max(1, count)));
  return Math.min(18, base * Math.max(0.8, (camera.zoom / whole.zoom) ** 0.35));
}

/** The camera that shows some points from near. */
function around(points: Points, some: number[], whole: Camera): Camera {
  const xs = some.map((one) => points.places[2 * one] as number);
  const ys = some.map((one) => points.places[2 * one + 1] as number);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const wide = Math.max(right - left, high - low, 2 / CLOSE);
  return { x: (left + right) / 2, y: (low + high) / 2, zoom: (whole.zoom * 2) / (wide * 1.6) };
}

/** The subjects of the points that a line was drawn around, those with the most points first. */
export function ChosenPoints({ points, chosen, onClear }: { points: Points; chosen: Set<number>; onClear: () => void }) {
  const [most, setMost] = useState(PAGE);
  const groups = new Map<string, number[]>();
  for (const point of chosen) {
    const name = points.subjectOf(point);
    groups.set(name, [...(groups.get(name) ?? []), point]);
  }
  const sorted = [...groups].sort(([, one], [, other]) => other.length - one.length);
  return (
    <section class="card map-list" tabIndex={-1} aria-labelledby="chosen">
      <div class="title">
        <h2 id="chosen">
          <T words="map.chosen" n={chosen.size} subjects={t("map.subjects", { n: groups.size })} />
        </h2>
        <button type="button" onClick={onClear}>
          <Icon name="close" />
          {t("map.clear")}
        </button>
      </div>
      <ul class="tiles-small">
        {sorted.slice(0, most).map(([name, some]) => (
          <li key={name}>
            <Picture of={api.value.thumbnail(points.columns.ids[some[0] as number] as number, 128)} alt="" />
            <span>
              <SubjectLink of={name} />
              <span class="hint">{t("map.pictures", { n: some.length })}</span>
            </span>
          </li>
        ))}
      </ul>
      {sorted.length > most && (
        <button type="button" class="start" onClick={() => setMost(most + PAGE)}>
          {t("trust.more", { n: sorted.length - most })}
        </button>
      )}
    </section>
  );
}

const PAGE = 24;
