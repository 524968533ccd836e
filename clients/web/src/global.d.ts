import "react";

declare module "react" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the interface that this adds to has it
  interface InputHTMLAttributes<T> {
    /** Choose a folder with all that is in it; known to every browser, but to no standard. */
    webkitdirectory?: "";
  }
}
