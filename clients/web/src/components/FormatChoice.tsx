import type { Preset } from "@whitebg/client";

import { useTexts } from "../i18n";
import { FORMATS, type Options, usualFormat } from "../model/options";
import { Segments } from "./Segments";

const FORMAT_NAMES = { png: "PNG", jpeg: "JPEG", webp: "WebP" };

interface Props {
  format: Options["format"];
  content: Options["content"];
  preset: Preset | null;
  onChange: (format: Options["format"]) => void;
}

/** The format of the pictures. */
export function FormatChoice({ format, content, preset, onChange }: Props) {
  const words = useTexts().options;
  return (
    <Segments
      label={words.format}
      hint={format === "" && preset !== null ? formatName(usualFormat(content, preset)) : null}
      value={format}
      // JPEG has no transparency.
      values={FORMATS.filter((each) => content !== "transparent" || each !== "jpeg")}
      names={{ "": words.asPreset, ...FORMAT_NAMES }}
      onChange={onChange}
    />
  );
}

export function formatName(format: string): string {
  return format in FORMAT_NAMES ? FORMAT_NAMES[format as keyof typeof FORMAT_NAMES] : format.toUpperCase();
}
