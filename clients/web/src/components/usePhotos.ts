import { useReadable, useTaskHistory } from "@whitebg/client/react";
import { useMemo, useState } from "react";

import { byDay, inOrder } from "../model/days";
import { type Photo, PhotoList } from "../model/photos";
import type { Removal, Removals } from "../model/removals";
import { type Filter, matching } from "../model/status";
import { arrange } from "../model/versions";
import type { World } from "../model/world";

/** Return the photos of the page: all, those that are shown, and those that match a filter, by day. */
export function usePhotos(world: World, removals: Removals, filter: Filter) {
  const uploads = useReadable(world.uploads);
  const rejections = useReadable(world.rejections);
  const undelivered = useReadable(world.decisions);
  const history = useTaskHistory();
  const removed = useReadable(removals);
  const [list] = useState(() => new PhotoList());
  const photos = useMemo(
    () => list.of(uploads, history.tasks, undelivered, rejections),
    [list, uploads, history.tasks, undelivered, rejections],
  );
  const { shown, earlier, first } = useMemo(() => arrange(without(removed, photos)), [photos, removed]);
  const days = useMemo(() => byDay(matching(shown, filter), first), [shown, filter, first]);
  const visible = useMemo(() => inOrder(days), [days]);
  return { photos, shown, earlier, days, visible, history };
}

function without(removals: readonly Removal[], photos: readonly Photo[]): readonly Photo[] {
  if (removals.length === 0) return photos;
  return photos.filter(({ taskId }) => taskId === null || !removals.some((removal) => removal.taskIds.has(taskId)));
}
