import { describe, expect, it, vi } from "vitest";

import { retrying } from "../src/model/parts";

describe("a part that is loaded later", () => {
  it("is loaded again after a failure", async () => {
    const load = vi.fn().mockRejectedValueOnce(new TypeError("gone")).mockResolvedValue("part");
    expect(await retrying(load, 0)()).toBe("part");
    expect(load).toHaveBeenCalledTimes(2);
  });

  it("fails with the last error after five attempts", async () => {
    const load = vi.fn().mockRejectedValue(new TypeError("gone"));
    await expect(retrying(load, 0)()).rejects.toThrow("gone");
    expect(load).toHaveBeenCalledTimes(5);
  });
});
