/** Find a subject by a part of its name, or give a new name: a text field with a list that follows it. */

import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Subject } from "../api";
import { api } from "../state";
import { Name, T, t } from "../words";
import { Icon } from "./icon";
import { Picture } from "./picture";

interface Properties {
  label: string;
  action: string;
  /** Names that are shown before a name is typed. */
  suggested?: string[];
  /** A name that is no choice. */
  except?: string;
  /** Whether a name that no subject has is a choice. */
  mayBeNew: boolean;
  onChoose: (name: string, isNew: boolean) => void;
  onClose: () => void;
}

const SHOWN = 8;

export function SubjectPicker({ label, action, suggested = [], except, mayBeNew, onChoose, onClose }: Properties) {
  const id = useId();
  const [text, setText] = useState("");
  const [found, setFound] = useState<Subject[]>([]);
  const [searched, setSearched] = useState<string | null>(null); // the text that `found` is of
  const [isSubmitted, setSubmitted] = useState(false); // before it was known which subjects have the name
  const [place, setPlace] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => input.current?.focus(), []); // before the next key, which may act as a shortcut
  useEffect(() => {
    if (!text.trim() && suggested.length) {
      setFound(suggested.map((name) => ({ name, examples: 0, created: "" })));
      setSearched("");
      setPlace(-1);
      return;
    }
    const stop = new AbortController();
    const search = () =>
      api.value
        .subjects({ search: text.trim(), limit: SHOWN + 1 }, stop.signal)
        .then((page) => {
          setFound(page.subjects.filter((one) => one.name !== except).slice(0, SHOWN));
          setPlace(-1);
        })
        .catch(() => {})
        .finally(() => !stop.signal.aborted && setSearched(text.trim()));
    const timer = setTimeout(search, text ? 120 : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text, except]);
  const name = text.trim().normalize("NFC");
  const exact = found.find((one) => one.name === name) ?? found.find((one) => one.name.toLowerCase() === name.toLowerCase());
  const chosen = found[place] ?? exact;
  const isKnown = chosen !== undefined || searched === text.trim();
  const isNew = !chosen && isKnown && name !== "" && name !== except;
  const canChoose = chosen !== undefined || (isNew && mayBeNew);
  const choose = () => canChoose && onChoose(chosen ? chosen.name : name, !chosen);
  useLayoutEffect(() => {
    if (!isSubmitted || !isKnown) return;
    setSubmitted(false);
    choose();
  });
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const count = found.length + 1; // the text itself is a place too
      setPlace(((place + 1 + step + count) % count) - 1);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      event.preventDefault();
      onClose();
    }
  };
  return (
    <form
      class="picker"
      onSubmit={(event) => {
        event.preventDefault();
        if (isKnown) choose();
        else setSubmitted(true);
      }}
    >
      <label for={id}>{label}</label>
      <input
        ref={input}
        id={id}
        type="text"
        dir="auto"
        role="combobox"
        autocomplete="off"
        maxLength={200}
        aria-expanded={found.length > 0 || (mayBeNew && isNew)}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={chosen ? `${id}-${found.indexOf(chosen)}` : mayBeNew && isNew ? `${id}-new` : undefined}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setSubmitted(false);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={t("picker.found")} class="choices">
        {found.map((one, number) => (
          <li
            key={one.name}
            id={`${id}-${number}`}
            role="option"
            aria-selected={one === chosen}
            onClick={() => onChoose(one.name, false)}
          >
            <Picture of={api.value.subjectThumbnail(one.name, one.examples, 96)} alt="" />
            <Name of={one.name} />
          </li>
        ))}
        {mayBeNew && isNew && (
          <li id={`${id}-new`} role="option" aria-selected onClick={choose}>
            <Icon name="add" />
            <span>
              <T words="picker.new" name={<Name of={name} />} />
            </span>
          </li>
        )}
      </ul>
      <div class="actions">
        <button type="submit" class="primary" disabled={isKnown && !canChoose}>
          {action}
        </button>
        <button type="button" onClick={onClose}>
          {t("cancel")}
        </button>
      </div>
    </form>
  );
}
