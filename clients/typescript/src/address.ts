import type { TaskDetail } from "./http.ts";
import type { TaskMessage } from "./messages.ts";

/** The gateway's URL. Its paths and links are below the path of `baseUrl`, as behind a proxy that strips a prefix. */
export class Address {
  readonly #baseUrl: string;

  /** An empty URL is the page's origin. */
  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
  }

  /** Return the absolute URL of a path of the gateway, or of a link that it sent. */
  resolve(link: string): string {
    if (/^([a-z][a-z\d+.-]*:|\/\/)/i.test(link)) return link;
    // During server-side rendering there is no location, and nothing is fetched.
    const base = typeof location === "undefined" ? this.#baseUrl : new URL(this.#baseUrl || "/", location.href).href;
    return base.replace(/\/$/, "") + link;
  }

  socket(): URL {
    const url = new URL(this.resolve("/ws/notifications"));
    url.protocol = url.protocol.replace("http", "ws");
    return url;
  }

  /** Return a task with absolute links. */
  detail(detail: TaskDetail): TaskDetail {
    return {
      ...detail,
      result_image_url: this.#link(detail.result_image_url),
      input_image_url: this.resolve(detail.input_image_url),
      thumbnail_url: this.#link(detail.thumbnail_url),
      mask_url: this.#link(detail.mask_url),
    };
  }

  /** Return a message with an absolute link. */
  message(message: TaskMessage): TaskMessage {
    const { data } = message;
    return { ...message, data: { ...data, result_image_url: this.#link(data.result_image_url) } };
  }

  /** A link is undefined if an older gateway does not send it. */
  #link(link: string | null | undefined): string | null {
    return link ? this.resolve(link) : null;
  }
}
