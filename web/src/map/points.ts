/** The points of a map: which is nearest to a place, which are inside of a line, and which subjects are neighbors. */

import type { MapColumns } from "../api";

const CELLS = 128; // of a side

export class Points {
  readonly places: Float32Array; // x, y, x, y, …
  private readonly starts: Uint32Array; // of each cell in `order`
  private readonly order: Uint32Array;

  constructor(readonly columns: MapColumns) {
    const { x, y } = columns;
    this.places = new Float32Array(2 * x.length);
    const cells = new Uint32Array(x.length);
    const counts = new Uint32Array(CELLS * CELLS + 1);
    for (let one = 0; one < x.length; one++) {
      this.places[2 * one] = x[one] as number;
      this.places[2 * one + 1] = y[one] as number;
      const at = (cells[one] = cell(y[one] as number) * CELLS + cell(x[one] as number));
      counts[at + 1] = (counts[at + 1] as number) + 1;
    }
    for (let at = 0; at < CELLS * CELLS; at++) counts[at + 1] = (counts[at + 1] as number) + (counts[at] as number);
    this.starts = counts.slice();
    this.order = new Uint32Array(x.length);
    const next = counts;
    for (let one = 0; one < x.length; one++) {
      const at = cells[one] as number;
      this.order[next[at] as number] = one;
      next[at] = (next[at] as number) + 1;
    }
  }

  get length(): number {
    return this.columns.ids.length;
  }

  subjectOf(point: number): string {
    return this.columns.subjects[this.columns.subject[point] as number] ?? "";
  }

  /** The point that is nearest to a place, at most `reach` away; −1 if there is none. */
  nearest(x: number, y: number, reach: number): number {
    let best = -1;
    let least = reach * reach;
    for (let row = cell(y - reach); row <= cell(y + reach); row++) {
      for (let column = cell(x - reach); column <= cell(x + reach); column++) {
        const at = row * CELLS + column;
        for (let place = this.starts[at] as number; place < (this.starts[at + 1] as number); place++) {
          const one = this.order[place] as number;
          const away = ((this.places[2 * one] as number) - x) ** 2 + ((this.places[2 * one + 1] as number) - y) ** 2;
          if (away <= least) [best, least] = [one, away];
        }
      }
    }
    return best;
  }

  /** The points inside of a closed line (x, y) of the plane. */
  inside(line: [number, number][]): number[] {
    const found: number[] = [];
    const left = Math.min(...line.map(([x]) => x));
    const right = Math.max(...line.map(([x]) => x));
    for (let one = 0; one < this.length; one++) {
      const x = this.places[2 * one] as number;
      if (x >= left && x <= right && isInside(x, this.places[2 * one + 1] as number, line)) found.push(one);
    }
    return found;
  }

  /** The points of a subject, by its place among the subjects. */
  of(subject: number): number[] {
    const found: number[] = [];
    this.columns.subject.forEach((one, point) => one === subject && found.push(point));
    return found;
  }

  /** The subjects whose middles are nearest to that of a subject, by their places, the nearest first. */
  neighbors(subject: number, most: number): number[] {
    const middles = this.middles();
    const [x, y] = [middles[2 * subject] as number, middles[2 * subject + 1] as number];
    const away = (one: number) => ((middles[2 * one] as number) - x) ** 2 + ((middles[2 * one + 1] as number) - y) ** 2;
    const others = this.columns.subjects.map((_, one) => one).filter((one) => one !== subject);
    return others.sort((one, other) => away(one) - away(other)).slice(0, most);
  }

  /** The middle of the points of each subject: x, y, x, y, … */
  private middles(): Float64Array {
    const count = this.columns.subjects.length;
    const sums = new Float64Array(2 * count);
    const counts = new Uint32Array(count);
    this.columns.subject.forEach((subject, point) => {
      sums[2 * subject] = (sums[2 * subject] as number) + (this.places[2 * point] as number);
      sums[2 * subject + 1] = (sums[2 * subject + 1] as number) + (this.places[2 * point + 1] as number);
      counts[subject] = (counts[subject] as number) + 1;
    });
    return sums.map((sum, place) => sum / Math.max(1, counts[place >> 1] as number));
  }
}

function cell(value: number): number {
  return Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
}

/** By the number of edges that a ray to the right crosses. */
function isInside(x: number, y: number, line: [number, number][]): boolean {
  let result = false;
  let [beforeX, beforeY] = line.at(-1) ?? [0, 0];
  for (const [nextX, nextY] of line) {
    if (nextY > y !== beforeY > y && x < ((beforeX - nextX) * (y - nextY)) / (beforeY - nextY) + nextX) result = !result;
    [beforeX, beforeY] = [nextX, nextY];
  }
  return result;
}

/** A color for each point: the hue is that of its subject; points that are not `chosen` are pale, if there are any. */
export function colorsOf(points: Points, chosen: Set<number>, isDark: boolean): Uint8Array {
  const colors = new Uint8Array(4 * points.length);
  const palette = points.columns.subjects.map((_, subject) => color(subject, isDark));
  points.columns.subject.forEach((subject, point) => {
    const [red, green, blue] = palette[subject] ?? [128, 128, 128];
    const isPale = chosen.size > 0 && !chosen.has(point);
    colors.set(isPale ? (isDark ? [120, 130, 126, 90] : [140, 150, 146, 90]) : [red, green, blue, 255], 4 * point);
  });
  return colors;
}

/** Hues a golden angle apart, so that subjects that follow each other differ. */
function color(subject: number, isDark: boolean): [number, number, number] {
  const hue = (subject * 137.508) % 360;
  const light = (isDark ? [0.62, 0.72, 0.8] : [0.36, 0.44, 0.52])[Math.floor(subject / 7) % 3] ?? 0.5;
  const strong = (isDark ? 0.65 : 0.7) * Math.min(light, 1 - light);
  const channel = (shift: number) => {
    const at = (shift + hue / 30) % 12;
    return Math.round(255 * (light - strong * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
