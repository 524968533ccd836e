import { Button } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconCamera, IconFolder, IconPhotoPlus } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useDropzone } from "react-dropzone";

import { useTexts } from "../i18n";

interface Props {
  onFiles: (files: File[]) => void;
}

/** Accepts photos by drop (folders too), selection and paste. Only the service decides whether a file is a photo. */
export function DropZone({ onFiles }: Props) {
  const { drop } = useTexts();
  /** A touch screen: nothing is dropped or pasted there, and it has a camera. */
  const isTouch = useMediaQuery("(pointer: coarse)", undefined, { getInitialValueInEffect: false });
  const folder = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  /** Whether the latest folder had no photo in it. */
  const [nothing, setNothing] = useState(false);
  const take = (files: File[]): void => {
    setNothing(files.length === 0);
    if (files.length > 0) onFiles(files);
  };
  const { getRootProps, getInputProps, isDragActive, open } = useDropzone({
    onDrop: (files) => take(files.filter((file) => (isOfFolder(file) ? isPhotoLike(file) : isVisible(file)))),
    noClick: true,
    noKeyboard: true,
  });
  usePaste(onFiles);
  return (
    <div {...getRootProps({ className: "drop", role: "group", "aria-label": drop.label })} data-active={isDragActive}>
      <input {...getInputProps({ accept: "image/*,.heic,.heif,.avif,.tif,.tiff", hidden: true, style: {} })} aria-label={drop.choose} />
      <input
        ref={folder}
        type="file"
        hidden
        multiple
        aria-label={drop.chooseFolder}
        webkitdirectory=""
        onChange={(event) => {
          take([...(event.currentTarget.files ?? [])].filter(isPhotoLike));
          event.currentTarget.value = "";
        }}
      />
      <input
        ref={camera}
        type="file"
        hidden
        accept="image/*"
        capture="environment"
        aria-label={drop.takePhoto}
        onChange={(event) => {
          take([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
      <IconPhotoPlus className="drop-icon" size={44} stroke={1.2} aria-hidden="true" />
      <p className="drop-title">{isDragActive ? drop.active : isTouch ? drop.touch : drop.idle}</p>
      {nothing ? <p className="drop-nothing small" role="alert">{drop.nothing}</p> : <p className="muted small">{(isTouch ? "" : drop.paste) + drop.hint}</p>}
      <div className="drop-buttons">
        <Button onClick={open}>{drop.choose}</Button>
        {isTouch ? (
          <Button variant="default" leftSection={<IconCamera size={18} aria-hidden="true" />} onClick={() => camera.current?.click()}>
            {drop.takePhoto}
          </Button>
        ) : (
          <Button variant="default" leftSection={<IconFolder size={16} aria-hidden="true" />} onClick={() => folder.current?.click()}>
            {drop.chooseFolder}
          </Button>
        )}
      </div>
    </div>
  );
}

function usePaste(onFiles: (files: File[]) => void): void {
  const latest = useRef(onFiles);
  useEffect(() => {
    latest.current = onFiles;
  });
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length > 0) latest.current(files);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, []);
}

/** Whether this is no system file, such as .DS_Store in a folder. */
function isVisible(file: File): boolean {
  return !file.name.startsWith(".") && file.name !== "Thumbs.db";
}

/** Whether the file is from a dropped folder: its path then contains the folder. */
function isOfFolder(file: File): boolean {
  return "path" in file && /[^./].*\//.test(String(file.path));
}

/** Whether a file of a folder is probably a photo: folders contain other files too, which are not uploaded. */
function isPhotoLike(file: File): boolean {
  return isVisible(file) && (file.type.startsWith("image/") || /\.(heic|heif|avif|tiff?)$/i.test(file.name));
}
