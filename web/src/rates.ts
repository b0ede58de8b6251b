/** Points of the curve of misses at each rate of false names. */

import type { CurvePoint } from "./api";

/** The place of the point that is the rule at a rate: the last one that is not above it; −1 if all are. */
export function placeOf(points: CurvePoint[], fpir: number): number {
  return points.findLastIndex((one) => one.fpir <= fpir + 1e-12);
}

/** Shares as whole numbers whose sum is 100: those with the largest remainders are rounded up. */
export function ofHundred(shares: number[]): number[] {
  const exact = shares.map((one) => 100 * one);
  const whole = exact.map(Math.floor);
  const left = 100 - whole.reduce((sum, one) => sum + one, 0);
  const order = exact.map((_, place) => place).sort((a, b) => (exact[b] as number) % 1 - ((exact[a] as number) % 1));
  for (const place of order.slice(0, left)) whole[place] = (whole[place] as number) + 1;
  return whole;
}
