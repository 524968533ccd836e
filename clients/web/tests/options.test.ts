import { expect, test } from "vitest";

import { DEFAULTS, formOf } from "../src/model/options";

test("a mask has neither background nor shadow, and only Gemini gets the prompt", () => {
  const chosen = { ...DEFAULTS, shadow: "contact", background: "#f3f1ec", prompt: " open the strap " } as const;
  expect(formOf({ ...chosen, content: "mask" })).toEqual({ preset: "custom", engine: "auto", content: "mask" });
  expect(formOf({ ...chosen, engine: "gemini" })).toMatchObject({ prompt: "open the strap", background: "#f3f1ec" });
});
