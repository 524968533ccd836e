/** The dialogs, in a file of their own: the page is shown without them. */
export { DownloadDialog } from "./DownloadDialog";
export { PhotoDialog } from "./PhotoDialog";
export { ReprocessDialog } from "./ReprocessDialog";
export { ShortcutsDialog } from "./ShortcutsDialog";
