import { Button, Progress } from "@mantine/core";
import { IconBell } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";

import { useLanguage } from "../i18n";
import type { Photo } from "../model/photos";
import { leftOf } from "../model/standing";
import { isBusy } from "./PhotoCard";

/** Progress of all photos in work: a bar with the time left, a count in the tab's title, a notification at the end. */
export function BatchProgress({ photos }: { photos: readonly Photo[] }) {
  const { texts } = useLanguage();
  const words = texts.batch;
  const busy = photos.filter(isBusy);
  const batch = useBatch(photos, busy);
  const left = busy.reduce<number | null>((most, { secondsLeft }) => maxOf(most, secondsLeft), null);
  useTitle(busy.length);
  const [permission, setPermission] = useState(() => (typeof Notification === "undefined" ? "denied" : Notification.permission));
  useNotification(busy.length, words.finished(batch.total));
  if (busy.length === 0) return null;
  const done = batch.total - busy.length;
  const share = batch.total === 0 ? 0 : (done + busy.reduce((sum, { percent }) => sum + percent / 100, 0)) / batch.total;
  return (
    <div className="batch">
      <div className="batch-words small">
        <span>{words.progress(done, batch.total)}</span>
        {left === null ? null : <span className="muted">{leftOf(left, texts)}</span>}
        <span className="spring" />
        {permission === "default" ? (
          <Button
            variant="subtle"
            size="compact-xs"
            leftSection={<IconBell size={14} aria-hidden="true" />}
            onClick={() => void Notification.requestPermission().then(setPermission)}
          >
            {words.notify}
          </Button>
        ) : null}
      </div>
      <Progress size={6} value={100 * share} aria-label={words.label} />
    </div>
  );
}

/** The photos that were in work at the same time as those of now, until none is left. */
function useBatch(photos: readonly Photo[], busy: readonly Photo[]): { total: number } {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const fresh = busy.filter(({ key }) => !keys.has(key));
  if (busy.length > 0 && fresh.length > 0) setKeys(new Set([...keys, ...fresh.map(({ key }) => key)]));
  // The finished batch stays until the next one begins, for the notification.
  const [wasBusy, setWasBusy] = useState(false);
  if (wasBusy !== busy.length > 0) {
    setWasBusy(busy.length > 0);
    if (busy.length > 0) setKeys(new Set(busy.map(({ key }) => key)));
  }
  return { total: photos.filter(({ key }) => keys.has(key)).length };
}

function useTitle(busy: number): void {
  const { texts } = useLanguage();
  const title = `whitebg · ${texts.title}`;
  useEffect(() => {
    document.title = busy === 0 ? title : `(${busy}) ${title}`;
  }, [busy, title]);
}

function useNotification(busy: number, text: string): void {
  const before = useRef(0);
  useEffect(() => {
    const ended = before.current > 0 && busy === 0;
    before.current = busy;
    if (ended && document.hidden && typeof Notification !== "undefined" && Notification.permission === "granted") {
      new Notification("whitebg", { body: text, tag: "whitebg" });
    }
  }, [busy, text]);
}

function maxOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
