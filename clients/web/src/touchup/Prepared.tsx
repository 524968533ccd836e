import "@mantine/core/styles/Slider.css";
import "@mantine/core/styles/Switch.css";
import "./editor.css";

import { Button, Loader } from "@mantine/core";
import { type CSSProperties, type ReactNode, useEffect, useRef, useState } from "react";

import { useLayer } from "../components/useLayer";
import { useTexts } from "../i18n";
import type { Material } from "./images";

interface Props {
  load: () => Promise<Material>;
  onCancel: () => void;
  children: (material: Material) => ReactNode;
}

/** Shows an editor once its photo and mask are loaded. */
export function Prepared({ load, onCancel, children }: Props) {
  const words = useTexts().touchUp;
  const [material, setMaterial] = useState<Material | null>(null);
  const [failed, setFailed] = useState(false);
  useLayer(material === null, () => {
    onCancel();
    return true;
  });
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    load().then(setMaterial, () => setFailed(true));
  }, [load]);
  if (failed) {
    return (
      <div className="touchup-empty" role="alert">
        <p>{words.unavailable}</p>
        <Button variant="default" onClick={onCancel}>
          {words.cancel}
        </Button>
      </div>
    );
  }
  if (material === null) return <Loader className="touchup-empty" type="dots" role="status" aria-label={words.loading} />;
  return children(material);
}

/** Return the style of a stage that shows a picture in its own proportions, as large as the screen allows (editor.css). */
export function sized({ width, height }: { width: number; height: number }): CSSProperties {
  return { aspectRatio: `${width} / ${height}`, "--aspect": width / height } as CSSProperties;
}
