import "react";

declare module "react" {
  interface InputHTMLAttributes<T> {
    /** Choose a folder with all that is in it; known to every browser, but to no standard. */
    webkitdirectory?: "";
  }
}
