/** The versions of each photo: retries, touch-ups and outputs for other markets, which all name their source. */
import type { Photo } from "./photos";

export interface Arrangement {
  /** Photos to show, newest first. A later version is at the position of the first one. */
  shown: readonly Photo[];
  /** Replaced versions of each shown photo by its key, newest first: earlier results, and attempts without one. */
  earlier: ReadonlyMap<string, readonly Photo[]>;
  /** The first version of each shown photo that is a later one, by its key: it determines day and batch. */
  first: ReadonlyMap<string, Photo>;
}

const WITHOUT_RESULT: ReadonlySet<Photo["phase"]> = new Set(["failed", "cancelled"]);

/**
 * Arrange photos, newest first: of each output of a photo, the latest result is shown, with later attempts that have
 * not ended. A failed or cancelled attempt is replaced by any later one.
 */
export function arrange(photos: readonly Photo[]): Arrangement {
  const roots = rootsOf(photos);
  const families = new Map<string, Photo[]>();
  for (const photo of photos) {
    const root = rootOf(photo, roots);
    const family = families.get(root);
    if (family === undefined) families.set(root, [photo]);
    else family.push(photo);
  }
  const shown: Photo[] = [];
  const earlier = new Map<string, readonly Photo[]>();
  const first = new Map<string, Photo>();
  for (const photo of photos) {
    const family = families.get(rootOf(photo, roots)) ?? [];
    if (family.at(-1) !== photo) continue;
    const begun = shown.length;
    if (family.length === 1) shown.push(photo);
    else addFamily(family, shown, earlier);
    for (const later of shown.slice(begun)) if (later !== photo) first.set(later.key, photo);
  }
  return { shown, earlier, first };
}

/** The output that a photo is for: results of one photo for the same output replace each other. */
function outputOf({ detail }: Photo): string {
  return detail === null ? "" : `${detail.options.preset} ${detail.options.content}`;
}

function addFamily(family: readonly Photo[], shown: Photo[], earlier: Map<string, readonly Photo[]>): void {
  const outputs = new Map<string, Photo[]>();
  for (const photo of family) {
    const output = outputOf(photo);
    outputs.set(output, [...(outputs.get(output) ?? []), photo]);
  }
  const visible = new Set<Photo>();
  for (const versions of outputs.values()) {
    const latest = versions.findIndex(({ phase }) => phase === "done");
    const current = versions.filter(
      ({ phase }, at) => (latest < 0 || at <= latest) && (at === 0 || !WITHOUT_RESULT.has(phase)),
    );
    for (const photo of current) visible.add(photo);
    const last = current.at(-1);
    const replaced = versions.filter((photo) => !visible.has(photo));
    if (last !== undefined && replaced.length > 0) earlier.set(last.key, replaced);
  }
  shown.push(...family.filter((photo) => visible.has(photo)));
}

/** Return the first known ancestor of each task that was made from another one. */
function rootsOf(photos: readonly Photo[]): Map<number, number> {
  const sources = new Map<number, number>();
  for (const { taskId, detail } of photos) {
    if (taskId !== null && detail?.source_task_id != null) sources.set(taskId, detail.source_task_id);
  }
  const roots = new Map<number, number>();
  for (const id of sources.keys()) {
    let root = id;
    // A source is always older than the task that was made from it.
    for (let next = sources.get(root); next !== undefined && next < root; next = sources.get(root)) root = next;
    roots.set(id, root);
  }
  return roots;
}

function rootOf({ taskId, key }: Photo, roots: ReadonlyMap<number, number>): string {
  return taskId === null ? key : `task ${roots.get(taskId) ?? taskId}`;
}
