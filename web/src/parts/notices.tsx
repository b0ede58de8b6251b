/** Notices at the edge of the page, read out by screen readers, some with "undo". */

import { useEffect } from "preact/hooks";
import { areNoticesRead, dismiss, notices, notify, type Notice } from "../state";
import { requestOf, sentence, t } from "../words";
import { Icon } from "./icon";
import { isText } from "./shortcuts";

/** Show an error as a notice. */
export function notifyProblem(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  notify({ kind: "problem", text: sentence(error), request: requestOf(error) });
}

export function Notices() {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const latest = notices.value.findLast((one) => one.undo);
      if (!latest || event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || isText(event.target)) return;
      event.preventDefault();
      undo(latest);
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  const isRead = (is: boolean) => () => (areNoticesRead.value = is);
  return (
    <div
      class="notices"
      role="status"
      aria-live="polite"
      onFocusIn={isRead(true)}
      onFocusOut={isRead(false)}
      onPointerEnter={isRead(true)}
      onPointerLeave={isRead(false)}
    >
      {notices.value.map((one) => (
        <NoticeBox key={one.id} notice={one} />
      ))}
    </div>
  );
}

function undo(notice: Notice): void {
  dismiss(notice.id);
  notice.undo?.().catch(notifyProblem);
}

function NoticeBox({ notice }: { notice: Notice }) {
  return (
    <div class={`notice ${notice.kind}`}>
      <div>
        {notice.text}
        {notice.request && <span class="request">{t("request", { id: notice.request })}</span>}
      </div>
      {notice.undo && (
        <button type="button" class="plain" aria-keyshortcuts="Control+Z" onClick={() => undo(notice)}>
          <Icon name="undo" />
          {t("undo")}
        </button>
      )}
      <button type="button" class="plain round" aria-label={t("dismiss")} onClick={() => dismiss(notice.id)}>
        <Icon name="close" />
      </button>
    </div>
  );
}

/** An error where its result would be. */
export function ProblemText({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const request = requestOf(error);
  return (
    <div class="problem" role="alert">
      <Icon name="warn" />
      <div>
        <p>{sentence(error)}</p>
        {request && <p class="request">{t("request", { id: request })}</p>}
      </div>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          {t("retry")}
        </button>
      )}
    </div>
  );
}
