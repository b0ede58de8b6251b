/** What the page says, in the language that was chosen: texts, numbers, dates, and errors. */

import { effect, signal } from "@preact/signals";
import { Fragment, type ComponentChildren } from "preact";
import { Problem, Unreachable } from "./api";

export type Words = keyof typeof import("./catalogs/en.json");
type Text = string | { one: string; other: string };
type Catalog = Record<Words, Text>;
export const LANGUAGES = { en: "English", "pt-BR": "Português" } as const;
export type Language = keyof typeof LANGUAGES;
/** Only the catalog of the language that was chosen is loaded. */
const CATALOGS: Record<Language, () => Promise<{ default: Catalog }>> = {
  en: () => import("./catalogs/en.json"),
  "pt-BR": () => import("./catalogs/pt.json"),
};
const STORED = "semelha-language";

function preferred(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored && stored in LANGUAGES) return stored as Language;
  for (const one of navigator.languages) {
    if (one.toLowerCase().startsWith("pt")) return "pt-BR";
    if (one.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

export const language = signal<Language>(preferred());
let catalog = (await CATALOGS[language.value]()).default;
effect(() => {
  document.documentElement.lang = language.value;
});

export async function chooseLanguage(one: Language): Promise<void> {
  catalog = (await CATALOGS[one]()).default;
  localStorage.setItem(STORED, one);
  language.value = one;
}

type Values = Record<string, string | number>;

function template(words: Words, n: unknown): string {
  void language.value; // whoever shows a text follows the language
  const found = catalog[words];
  if (typeof found === "string") return found;
  return n === 1 ? found.one : found.other;
}

/** A text; `{n}` chooses between one and several, and numbers are written as in the language. */
export function t(words: Words, values: Values = {}): string {
  return template(words, values.n).replace(/{(\w+)}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : (value ?? "");
  });
}

/** A text with nodes in it: `<T words="named" name={<Name of="x" />} />`. */
export function T({ words, ...values }: { words: Words } & Record<string, ComponentChildren>) {
  const parts = template(words, values.n).split(/{(\w+)}/);
  return (
    <>
      {parts.map((part, place) => {
        const value = values[part];
        return <Fragment key={place}>{place % 2 ? (typeof value === "number" ? number(value) : value) : part}</Fragment>;
      })}
    </>
  );
}

/** The name of a subject, which may be written from right to left. */
export function Name({ of }: { of: string }) {
  return (
    <bdi class="name" translate={false}>
      {of}
    </bdi>
  );
}

export function number(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(language.value, options).format(value);
}

export function percent(share: number): string {
  const written = (value: number) => number(value, { style: "percent", maximumFractionDigits: value > 0.99 && value < 1 ? 1 : 0 });
  return share > 0.999 && share < 1 ? t("percent.above", { percent: written(0.999) }) : written(share);
}

const SIMPLE = 30; // the largest denominator of a fraction that is read at a glance

/** A rate in words: "1 in 200" or "2 in 21" where that is exact, else "about 1 in 270" or "about 62 in 100". */
export function rate(share: number): string {
  if (share <= 0) return t("rate.in", { a: 0, b: 100 });
  if (share >= 1) return t("rate.in", { a: 100, b: 100 });
  const is = (a: number, b: number) => a > 0 && Math.abs(a / b / share - 1) < 1e-6;
  for (let b = 2; b <= SIMPLE; b++) if (is(Math.round(share * b), b)) return t("rate.in", { a: Math.round(share * b), b });
  const of = Math.round(1 / share);
  if (is(1, of)) return t("rate.in", { a: 1, b: of });
  const hundred = Math.round(100 * share);
  if (is(hundred, 100)) return t("rate.in", { a: hundred, b: 100 });
  if (share > 0.1) return t("rate.about", { a: hundred, b: 100 });
  return t("rate.about", { a: 1, b: Math.round(Number((1 / share).toPrecision(3))) });
}

export function date(text: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(new Date(text));
}

export function dateAndTime(text: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
}

/** An error as a sentence in the page's language where the catalog has it, else as the server wrote it. */
export function sentence(error: unknown): string {
  if (error instanceof Unreachable) return t("problem.unreachable");
  if (!(error instanceof Problem)) return t("problem.page", { text: error instanceof Error ? error.message : String(error) });
  const words = `problem.${error.kind}`;
  if (words in catalog) return t(words as Words);
  const text = error.detail.trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** The id of the request that failed, under which the log of the server has it; "" if there was none. */
export function requestOf(error: unknown): string {
  return error instanceof Problem ? error.requestId : "";
}
