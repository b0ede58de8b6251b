/** Language, theme, and the key of this tab, in the upper corner. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { hasKey, useKey } from "../api";
import { theme, type Theme } from "../state";
import { chooseLanguage, language, LANGUAGES, t, type Language } from "../words";
import { Icon, type IconName } from "./icon";
import { notifyProblem } from "./notices";

const THEMES: [Theme, IconName][] = [
  ["auto", "auto"],
  ["light", "light"],
  ["dark", "dark"],
];

export function Settings() {
  const isOpen = useSignal(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      if (!isOpen.value || box.current?.contains(event.target as Node)) return;
      isOpen.value = false;
    };
    addEventListener("pointerdown", close);
    addEventListener("focusin", close);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("focusin", close);
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    isOpen.value = false;
    box.current?.querySelector("button")?.focus();
  };
  return (
    <div class="settings" ref={box} onKeyDown={onKeyDown}>
      <button
        type="button"
        class="plain round"
        aria-label={t("settings")}
        aria-expanded={isOpen.value}
        aria-controls="settings"
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        <Icon name="language" />
      </button>
      <div id="settings" class="panel" hidden={!isOpen.value}>
        <fieldset>
          <legend>{t("settings.language")}</legend>
          {(Object.keys(LANGUAGES) as Language[]).map((one) => (
            <label key={one} class="choice">
              <input type="radio" name="language" checked={language.value === one} onChange={() => void chooseLanguage(one).catch(notifyProblem)} />
              <span lang={one}>{LANGUAGES[one]}</span>
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>{t("settings.theme")}</legend>
          {THEMES.map(([one, icon]) => (
            <label key={one} class="choice">
              <input type="radio" name="theme" checked={theme.value === one} onChange={() => (theme.value = one)} />
              <Icon name={icon} />
              {t(`theme.${one}`)}
            </label>
          ))}
        </fieldset>
        {hasKey() && (
          <button
            type="button"
            onClick={() => {
              useKey("");
              location.reload();
            }}
          >
            <Icon name="key" />
            {t("key.forget")}
          </button>
        )}
      </div>
    </div>
  );
}
