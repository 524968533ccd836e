import { Button, Modal } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { ReactCompareSlider, ReactCompareSliderImage } from "react-compare-slider";

import { useTexts } from "../i18n";
import { downloadUrl } from "../model/download";
import type { Photo } from "../model/photos";
import { ResultCheck } from "./ResultCheck";

interface Props {
  photo: Photo;
  onClose: () => void;
  /** The links of the photo have expired. */
  onStale: () => void;
}

/** The photo beside what came of it, and whether a marketplace takes it. */
export function CompareDialog({ photo, onClose, onStale }: Props) {
  const texts = useTexts();
  const [noInput, setNoInput] = useState(false);
  const before = photo.before;
  const result = photo.result ?? "";
  const after = <ReactCompareSliderImage src={result} alt={`${texts.compare.after}: ${photo.name}`} onError={onStale} />;
  return (
    <Modal
      opened
      onClose={onClose}
      title={photo.name}
      size={1100}
      centered
      // Locking the scroll would need a <style> element, which the page's policy does not allow.
      lockScroll={false}
      transitionProps={{ duration: 120 }}
      closeButtonProps={{ "aria-label": texts.action.close }}
    >
      <div className="compare">
        <figure className="compare-picture">
          {before === null || noInput ? (
            <div className="compare-single">{after}</div>
          ) : (
            <>
              <ReactCompareSlider
                className="compare-slider"
                boundsPadding="0px"
                itemOne={
                  <ReactCompareSliderImage
                    className="compare-before"
                    src={before}
                    alt={`${texts.compare.before}: ${photo.name}`}
                    onError={() => setNoInput(true)}
                  />
                }
                itemTwo={after}
                handle={<Handle />}
                aria-label={texts.compare.slider}
              />
              <figcaption className="compare-labels" aria-hidden="true">
                <span>{texts.compare.before}</span>
                <span>{texts.compare.after}</span>
              </figcaption>
            </>
          )}
          {noInput ? <p className="muted small">{texts.compare.inputUnavailable}</p> : null}
        </figure>
        <div className="compare-side">
          <ResultCheck detail={photo.detail} />
          <div className="compare-save">
            <Button
              component="a"
              href={downloadUrl(result)}
              download
              fullWidth
              leftSection={<IconDownload size={18} aria-hidden="true" />}
            >
              {texts.action.download}
            </Button>
          </div>
        </div>
      </div>
    </Modal>
  );
}

function Handle() {
  return (
    <span className="compare-handle">
      <span className="compare-grip" aria-hidden="true">
        ‹ ›
      </span>
    </span>
  );
}
