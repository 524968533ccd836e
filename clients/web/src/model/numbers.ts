/** Formats numbers and lists for the page's language. */
export class Numbers {
  readonly #tag: string;

  /** `tag` is a BCP 47 language tag. */
  constructor(tag: string) {
    this.#tag = tag;
  }

  plain(value: number): string {
    return new Intl.NumberFormat(this.#tag, { maximumFractionDigits: 1, useGrouping: false }).format(value);
  }

  /** Format a share from 0 to 1 in percent, with one decimal where it is close to 0 or 100. */
  percent(share: number): string {
    const digits = share > 0 && (share < 0.1 || (share > 0.95 && share < 1)) ? 1 : 0;
    return new Intl.NumberFormat(this.#tag, { style: "percent", maximumFractionDigits: digits }).format(share);
  }

  anyOf(names: string[]): string {
    return new Intl.ListFormat(this.#tag, { type: "disjunction" }).format(names);
  }

  bytes(bytes: number): string {
    const [value, unit] = bytes >= 1_000_000 ? [bytes / 1_000_000, "megabyte"] : [Math.ceil(bytes / 1000), "kilobyte"];
    return new Intl.NumberFormat(this.#tag, { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
  }
}
