/** The DET curve: the misses at each rate of false names, both axes by their logarithm, with their interval. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { CurvePoint } from "../api";
import { number, t } from "../words";

interface Properties {
  points: CurvePoint[];
  /** The place of the point that is chosen. */
  chosen: number;
  /** The rate in force; null if there is none. */
  present: number | null;
  label: string;
  onChoose: (place: number) => void;
}

type Missed = CurvePoint & { fnir: number };
const HEIGHT = 320;
const MARGIN = { left: 54, right: 14, top: 14, bottom: 44 };
const STEPS = [1, 2, 3, 4, 5, 6, 8];
const FEW = [1, 2, 5];
const LEAST = 0.001; // the lowest rate that the axis of misses can begin at

export function DetChart({ points, chosen, present, label, onChoose }: Properties) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.round(entry.contentRect.width)));
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={box} class="det">
      {width > 0 && <Drawing {...{ points, chosen, present, label, onChoose, width }} />}
    </div>
  );
}

function Drawing({ points, chosen, present, label, onChoose, width }: Properties & { width: number }) {
  const missed = points.filter((one): one is Missed => one.fnir !== null);
  const first = points[0]?.fpir ?? 0.01;
  const last = points.at(-1)?.fpir ?? 1;
  const low = Math.min(...missed.flatMap((one) => [one.fnir, one.fnir_interval?.low ?? 1]).filter((one) => one > 0), 0.5);
  const x = scale(first * 0.94, last * 1.06, MARGIN.left, width - MARGIN.right);
  const bottom = Math.max(low * 0.85, LEAST);
  const y = scale(bottom, 1.05, HEIGHT - MARGIN.bottom, MARGIN.top);
  const across = ticks(first * 0.94, last * 1.06, width < 480 ? 4 : 9);
  const up = ticks(bottom, 1.05, 9);
  const at = points[chosen];
  const inForce = present === null ? undefined : missed.filter((one) => one.fpir <= present + 1e-12).at(-1);
  const choose = (event: PointerEvent) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const svg = event.currentTarget as SVGElement;
    const place = event.clientX - svg.getBoundingClientRect().left;
    const distances = points.map((one) => Math.abs(x(one.fpir) - place));
    onChoose(distances.indexOf(Math.min(...distances)));
  };
  return (
    <svg width={width} height={HEIGHT} role="img" aria-label={label} onPointerDown={choose} onPointerMove={choose}>
      {across.map((rate) => (
        <g key={`x${rate}`}>
          <line class="grid" x1={x(rate)} x2={x(rate)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
          <text x={x(rate)} y={HEIGHT - MARGIN.bottom + 18} text-anchor="middle">
            {share(rate)}
          </text>
        </g>
      ))}
      {up.map((rate) => (
        <g key={`y${rate}`}>
          <line class="grid" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(rate)} y2={y(rate)} />
          <text x={MARGIN.left - 8} y={y(rate) + 4} text-anchor="end">
            {share(rate)}
          </text>
        </g>
      ))}
      <text class="axis" x={(MARGIN.left + width - MARGIN.right) / 2} y={HEIGHT - 6} text-anchor="middle">
        {t("trust.axis.false")}
      </text>
      <text class="axis" transform={`translate(13 ${(HEIGHT - MARGIN.bottom + MARGIN.top) / 2}) rotate(-90)`} text-anchor="middle">
        {t("trust.axis.missed")}
      </text>
      <path class="band" d={band(missed, x, y)} />
      <path class="curve" d={stairs(missed.map((one) => [x(one.fpir), y(one.fnir)]))} />
      {inForce && <path class="present" d={diamond(x(inForce.fpir), y(inForce.fnir))} />}
      {at && <line class="cursor" x1={x(at.fpir)} x2={x(at.fpir)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />}
      {at && at.fnir !== null && <circle class="chosen" cx={x(at.fpir)} cy={y(at.fnir)} r="7" />}
    </svg>
  );
}

/** From rates to pixels by the logarithm; what is below is at the end of the axis. */
function scale(from: number, to: number, start: number, end: number) {
  const [low, high] = [Math.log(from), Math.log(to)];
  return (rate: number) => start + ((Math.log(Math.max(rate, from)) - low) / (high - low || 1)) * (end - start);
}

/** At most so many round rates between two rates: of 1, 2, 5, 10, … percent, or more if these are one or two. */
function ticks(from: number, to: number, most: number): number[] {
  const inside = (steps: number[]) =>
    [-4, -3, -2, -1, 0].flatMap((power) => steps.map((one) => one * 10 ** power)).filter((one) => one >= from && one <= Math.min(to, 1.0001));
  const [many, few, powers] = [inside(STEPS), inside(FEW), inside([1])];
  if (few.length < 3 && many.length <= most) return many;
  return few.length <= most || powers.length < 2 ? few.slice(-most) : powers;
}

function share(rate: number): string {
  return number(rate, { style: "percent", maximumSignificantDigits: 1 });
}

type Place = [number, number];

function stairs(places: Place[]): string {
  return places.map(([x, y], number) => (number ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`)).join("");
}

/** The interval of the misses, as an area. */
function band(points: Missed[], x: (rate: number) => number, y: (rate: number) => number): string {
  const known = points.filter((one) => one.fnir_interval !== null);
  if (known.length < 2) return "";
  const upper = known.map((one): Place => [x(one.fpir), y(one.fnir_interval?.high ?? 1)]);
  const lower = known.map((one): Place => [x(one.fpir), y(one.fnir_interval?.low ?? 0)]);
  const back = lower
    .reverse()
    .map(([left, top]) => `V${top.toFixed(1)}H${left.toFixed(1)}`)
    .join("");
  return `${stairs(upper)}${back}Z`;
}

function diamond(x: number, y: number): string {
  return `M${x} ${y - 9}L${x + 9} ${y}L${x} ${y + 9}L${x - 9} ${y}Z`;
}
