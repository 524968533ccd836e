import "react";

declare module "react" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the extended interface has it
  interface InputHTMLAttributes<T> {
    /** Select a folder with its content; supported by every browser, but not standardised. */
    webkitdirectory?: "";
  }
}
