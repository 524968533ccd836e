/** Which keys belong to the focused control, and which are shortcuts of the page. */

/** Controls that take every key: text is typed in them, or their options are found by letters. */
const TYPED = "textarea, select, [contenteditable=true], input:not([type=checkbox], [type=radio], [type=range], [type=color], [type=button])";
/** Controls whose value is moved, and the keys that move it. */
const MOVED = "input[type=radio], input[type=range], [role=slider], [role=radio]";
const MOVES: ReadonlySet<string> = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

/** Return the key of an event by its name; a letter in lower case, also with Caps Lock. */
export function keyOf({ key }: Pick<KeyboardEvent, "key">): string {
  return key.length === 1 ? key.toLowerCase() : key;
}

/** Return whether an event comes from within a dialog, which has shortcuts of its own. */
export function isInDialog(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("[role=dialog]") !== null;
}

/** Return whether the focused control itself uses the key, so that it is no shortcut. */
export function isOfControl({ target, key }: Pick<KeyboardEvent, "target" | "key">): boolean {
  if (!(target instanceof Element)) return false;
  return target.matches(TYPED) || (MOVES.has(key) && target.matches(MOVED));
}
