/** Map: all examples in two dimensions, so that what is alike lies close together. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { pause, Problem, type Job, type MapMethod } from "../api";
import { Points } from "../map/points";
import { EmptyGallery } from "../parts/empty_gallery";
import { ChosenPoints, MapCanvas } from "../parts/map_canvas";
import { MapNeighbors } from "../parts/map_neighbors";
import { notifyProblem, ProblemText } from "../parts/notices";
import { isPhone } from "../phone";
import { api, gallery, mayEnroll } from "../state";
import { t } from "../words";
import "../styles/map.css";

const METHODS: MapMethod[] = ["pca", "tsne", "umap"];

export default function MapView() {
  const method = useSignal<MapMethod>("pca");
  const points = useSignal<Points | null>(null);
  const error = useSignal<unknown>(null);
  const isMissing = useSignal(false); // the map by this method was never computed
  const tries = useSignal(0);
  const isEmpty = gallery.value?.subjects === 0;
  useEffect(() => {
    if (isEmpty) return;
    const stop = new AbortController();
    error.value = null;
    isMissing.value = false;
    points.value = null;
    api.value.map(method.value, stop.signal).then(
      (found) => (points.value = new Points(found)),
      (problem: unknown) => {
        if (stop.signal.aborted) return;
        if (problem instanceof Problem && problem.kind === "no-map") isMissing.value = true;
        else error.value = problem;
      },
    );
    return () => stop.abort();
  }, [method.value, tries.value, isEmpty]);
  const again = () => tries.value++;
  const found = points.value;
  return (
    <>
      <h1>{t("map.title")}</h1>
      {isEmpty ? (
        <EmptyGallery words="map.empty" />
      ) : (
        <>
          <fieldset class="map-methods">
            <legend>{t("map.method")}</legend>
            {METHODS.map((one) => (
              <label key={one} class="choice">
                <input type="radio" name="method" checked={method.value === one} onChange={() => (method.value = one)} />
                {t(`map.method.${one}`)}
              </label>
            ))}
          </fieldset>
          <p class="hint">{t(`map.what.${method.value === "pca" ? "pca" : "neighbors"}`)}</p>
          {error.value !== null && <ProblemText error={error.value} onRetry={again} />}
          {error.value === null && found === null && !isMissing.value && (
            <p class="loading" role="status">
              <span class="spinner" aria-hidden="true" />
              {t("map.loading")}
            </p>
          )}
          {isMissing.value && <Compute key={method.value} method={method.value} onDone={again} />}
          {found && <Drawn key={`${method.value} ${tries.value}`} points={found} onAgain={again} />}
        </>
      )}
    </>
  );
}

function Drawn({ points, onAgain }: { points: Points; onAgain: () => void }) {
  const chosen = useSignal<Set<number>>(new Set());
  const target = useSignal<number[] | null>(null);
  const { method, revision } = points.columns;
  const isOld = gallery.value !== null && gallery.value.revision !== revision;
  const onShow = (some: number[]) => {
    chosen.value = new Set(some);
    target.value = [...some];
  };
  return (
    <>
      {isOld && (
        <div class="banner">
          <p>{t("map.changed")}</p>
          {method === "pca" ? (
            <button type="button" onClick={onAgain}>
              {t("map.again")}
            </button>
          ) : (
            <Compute method={method} onDone={onAgain} isAgain />
          )}
        </div>
      )}
      <MapCanvas points={points} chosen={chosen.value} target={target.value} onChoose={(some) => (chosen.value = new Set(some))} />
      <p class="hint">{t(isPhone.value ? "map.how_phone" : "map.how", { n: points.length })}</p>
      <div aria-live="polite">
        {chosen.value.size > 0 && <ChosenPoints points={points} chosen={chosen.value} onClear={() => (chosen.value = new Set())} />}
      </div>
      <MapNeighbors points={points} onShow={onShow} />
    </>
  );
}

/** Computes the map by t-SNE or UMAP, as a job of the server that goes on without the page. */
function Compute({ method, onDone, isAgain }: { method: MapMethod; onDone: () => void; isAgain?: boolean }) {
  const job = useSignal<Job | null>(null);
  const error = useSignal<unknown>(null);
  const follow = async (begun: Job, stop?: AbortSignal) => {
    job.value = begun;
    while (job.value.state === "queued" || job.value.state === "running") {
      await pause(1000, stop);
      job.value = await api.value.job(begun.id);
    }
    const { problem, state } = job.value;
    job.value = null;
    if (problem) error.value = new Problem(problem.status, problem.kind, problem.detail, "");
    else if (state === "done") onDone();
  };
  const failed = (problem: unknown) => {
    job.value = null;
    if (!(problem instanceof DOMException)) error.value = problem;
  };
  useEffect(() => {
    const stop = new AbortController();
    const running = async () => {
      const { jobs } = await api.value.jobs();
      const begun = jobs.find((one) => one.kind === "map" && (one.state === "queued" || one.state === "running"));
      if (begun && !stop.signal.aborted) await follow(begun, stop.signal);
    };
    running().catch(failed);
    return () => stop.abort();
  }, []);
  const compute = () => {
    error.value = null;
    api.value.computeMap(method).then(follow).catch(failed);
  };
  const present = job.value;
  return (
    <div class={isAgain ? "stack" : "card map-list"}>
      {!isAgain && <p>{t("map.missing", { method: t(`map.method.${method}`) })}</p>}
      {error.value !== null && <ProblemText error={error.value} />}
      {present ? (
        <div class="actions">
          <p class="loading" role="status">
            <span class="spinner" aria-hidden="true" />
            {t("map.computing")}
          </p>
          {mayEnroll.value && (
            <button type="button" onClick={() => void api.value.cancelJob(present.id).catch(notifyProblem)}>
              {t("cancel")}
            </button>
          )}
        </div>
      ) : mayEnroll.value ? (
        <button type="button" class={isAgain ? "" : "primary start"} onClick={compute}>
          {t(isAgain ? "map.compute_again" : "map.compute")}
        </button>
      ) : (
        <p class="hint">{t("map.no_role")}</p>
      )}
    </div>
  );
}
