/** Notices at the edge of the page, read out by screen readers, some with "undo". */

import { dismiss, notices, notify, type Notice } from "../state";
import { requestOf, sentence, t } from "../words";
import { Icon } from "./icon";

/** Show an error as a notice. */
export function notifyProblem(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  notify({ kind: "problem", text: sentence(error), request: requestOf(error) });
}

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((one) => (
        <NoticeBox key={one.id} notice={one} />
      ))}
    </div>
  );
}

function NoticeBox({ notice }: { notice: Notice }) {
  const { undo } = notice;
  return (
    <div class={`notice ${notice.kind}`}>
      <div>
        {notice.text}
        {notice.request && <span class="request">{t("request", { id: notice.request })}</span>}
      </div>
      {undo && (
        <button
          type="button"
          class="plain"
          onClick={() => {
            dismiss(notice.id);
            undo().catch(notifyProblem);
          }}
        >
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
