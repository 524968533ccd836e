import { expect, test } from "vitest";

import { keyOf } from "../src/components/keys";

test("a shortcut is the same key with Caps Lock", () => {
  const keys = ["a", "A", "E", "ArrowLeft", "?", "Delete"].map((key) => keyOf({ key }));
  expect(keys).toEqual(["a", "a", "e", "ArrowLeft", "?", "Delete"]);
});
