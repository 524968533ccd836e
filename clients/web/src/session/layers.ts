/** The browser's Back button closes the uppermost open layer, such as a dialog, instead of leaving the page. */

/** Close a layer; false: it stays open, because the person wants to keep its content. */
export type Close = () => boolean;

/**
 * The layers that are open over the page. Each has an entry of the browser's history, whose state counts them, so that
 * Back reaches the page's own entry. A layer that is closed in another way takes its entry back; entries without a layer,
 * from before a reload or reached by Forward, are left again.
 */
export class Layers {
  readonly #open: Close[] = [];
  /** Whether a traversal of our own has begun and not ended. */
  #isTraversing = false;
  #isDue = false;

  constructor(private readonly browser: Pick<Window, "history" | "addEventListener">) {}

  /** Follow the browser's history; called once. */
  start(): void {
    this.browser.addEventListener("popstate", () => this.#onTraversal());
    this.#settle();
  }

  /** Add a layer that Back closes; returns the function that removes it once it is closed. */
  open(close: Close): () => void {
    const own: Close = () => close(); // The same function may be added twice.
    this.#open.push(own);
    this.#settleSoon();
    return () => {
      const at = this.#open.indexOf(own);
      if (at < 0) return;
      this.#open.splice(at, 1);
      this.#settleSoon();
    };
  }

  /** Close the uppermost layer as Back does. */
  back(): void {
    this.browser.history.back();
  }

  #onTraversal(): void {
    if (!this.#isTraversing) {
      const left = this.#depth();
      while (this.#open.length > left && this.#open.at(-1)?.() === true) this.#open.pop();
    }
    this.#isTraversing = false;
    this.#settle();
  }

  /** Once the present changes are complete: one layer may replace another. */
  #settleSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#settle();
    });
  }

  /** Add or leave entries until there is one for each layer. */
  #settle(): void {
    if (this.#isTraversing) return;
    const { history } = this.browser;
    const surplus = this.#depth() - this.#open.length;
    if (surplus > 0) {
      this.#isTraversing = true;
      history.go(-surplus);
      return;
    }
    // Back to an entry, the browser would scroll to where it was left, instead of to the photo that was viewed last.
    history.scrollRestoration = this.#open.length > 0 ? "manual" : "auto";
    for (let depth = this.#depth() + 1; depth <= this.#open.length; depth += 1) history.pushState({ layers: depth }, "");
  }

  #depth(): number {
    const state: unknown = this.browser.history.state;
    const layers = Object(state) as { layers?: unknown };
    return typeof layers.layers === "number" ? layers.layers : 0;
  }
}

export const layers = new Layers(window);
