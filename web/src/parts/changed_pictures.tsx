/** The enrolled pictures whose answer is another one at a second rate, a page at a time. */

import { useEffect, useState } from "preact/hooks";
import type { Change } from "../api";
import { api, gallery } from "../state";
import { T, t } from "../words";
import { ProblemText } from "./notices";
import { Picture } from "./picture";
import { SubjectLink } from "./subject_link";

interface Properties {
  /** Enrolled pictures, or what would be named wrongly if it were not enrolled. */
  probes: "mated" | "non_mated";
  before: number;
  after: number;
}

const PAGE = 12;
const PAUSE = 250; // milliseconds that the slider rests before the server is asked

export function ChangedPictures({ probes, before, after }: Properties) {
  const [found, setFound] = useState<Change[]>([]);
  const [total, setTotal] = useState<number | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const [count, setCount] = useState(0); // of tries
  const revision = gallery.value?.revision;
  useEffect(() => {
    const stop = new AbortController();
    const ask = () =>
      api.value.changes({ before, after, probes, limit: PAGE }, stop.signal).then(
        (page) => {
          setError(null);
          setFound(page.changes);
          setTotal(page.total);
          setNext(page.next);
        },
        (problem: unknown) => !stop.signal.aborted && setError(problem),
      );
    const timer = setTimeout(ask, total === null ? 0 : PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [probes, before, after, revision, count]);
  const more = async () => {
    if (!next) return;
    setBusy(true);
    try {
      const page = await api.value.changes({ before, after, probes, limit: PAGE, cursor: next });
      setFound((all) => [...all, ...page.changes]);
      setNext(page.next);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  if (error !== null) return <ProblemText error={error} onRetry={() => setCount(count + 1)} />;
  if (total === null) return <p class="loading">{t("loading")}</p>;
  const way = after < before ? "stricter" : "looser";
  return (
    <section class="stack" aria-live="polite">
      <h3>{t(`trust.${probes}.${way}`, { n: total })}</h3>
      {found.length > 0 && (
        <ul class="changed">
          {found.map((one) => (
            <li key={one.id}>
              <Picture of={api.value.thumbnail(one.id)} alt={t("evidence.match", { name: one.subject })} />
              <SubjectLink of={one.subject} />
              {one.named !== one.subject && one.named !== "" && (
                <span class={probes === "mated" ? "hint wrong" : "hint"}>
                  <T words="trust.named_as" name={<SubjectLink of={one.named} />} />
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
      {next && (
        <button type="button" class="start" disabled={isBusy} onClick={() => void more()}>
          {t("trust.more", { n: total - found.length })}
        </button>
      )}
    </section>
  );
}
