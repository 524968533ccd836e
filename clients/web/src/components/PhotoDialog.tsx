import "../viewer/viewer.css";

import { ActionIcon, Button, Loader } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowsMove, IconBrush, IconCheck, IconChevronLeft, IconChevronRight, IconCopy, IconDownload, IconRefresh, IconX } from "@tabler/icons-react";
import type { Preset } from "@whitebg/client";
import { useState } from "react";

import { useTexts } from "../i18n";
import type { Decision } from "../model/decisions";
import { copyPicture } from "../model/download";
import { downloadUrl } from "../model/links";
import { backgroundOf, fillOf, isPreset, positionOf } from "../model/options";
import type { Photo } from "../model/photos";
import type { Position } from "../position/fit";
import { layers } from "../session/layers";
import type { Material } from "../touchup/images";
import { type Backdrop, CompareStage } from "../viewer/CompareStage";
import { Dialog } from "./Dialog";
import { IconAction } from "./IconAction";
import { Part, part } from "./Part";
import { ResultCheck } from "./ResultCheck";
import { useKeys } from "./useKeys";

// Loaded when it is opened for the first time: most visits don't need it.
const TouchUp = part(async () => (await import("../touchup/TouchUp")).TouchUp);
const Positioning = part(async () => (await import("../position/Positioning")).Positioning);

type Editor = "mask" | "position";

interface Props {
  /** Null: closed. */
  photo: Photo | null;
  /** Whether another dialog is in front of this one, which has the keys then. */
  covered: boolean;
  /** Earlier results of the photo for the same output, newest first. */
  earlier: readonly Photo[];
  position: number;
  total: number;
  onClose: () => void;
  /** Show the next (1) or previous (-1) photo. */
  onStep: (step: 1 | -1) => void;
  onDecide: (photo: Photo, decision: Decision | null) => void;
  onReprocess: (photo: Photo) => void;
  onCorrect: (photo: Photo, mask: Blob) => Promise<void>;
  onPosition: (photo: Photo, position: Position) => Promise<void>;
  presets: readonly Preset[];
  loadMaterial: (photo: Photo) => Promise<Material>;
  /** Called when the links of a photo have expired. */
  onStale: (photo: Photo) => void;
}

/** One result beside its photo, with its check, and the actions of the review. */
export function PhotoDialog(props: Props) {
  const texts = useTexts();
  const small = useMediaQuery("(max-width: 520px), (max-height: 480px)");
  const { photo, onClose } = props;
  // The last photo stays while the dialog fades out.
  const [last, setLast] = useState(photo);
  if (photo !== null && photo !== last) setLast(photo);
  const shown = photo ?? last;
  const [editing, setEditing] = useState<{ key: string; editor: Editor } | null>(null);
  const editor = photo !== null && editing?.key === photo.key ? editing.editor : null;
  const isEditing = editor !== null;
  const market = shown !== null && isPreset(shown.market) ? texts.options.presets[shown.market] : "";
  return (
    <Dialog
      opened={photo !== null}
      // An editor is left first, and asks before changes are lost.
      onClose={isEditing ? () => layers.back() : onClose}
      title={shown === null ? "" : <Title name={shown.name} market={market} position={props.position} total={props.total} />}
      size={1180}
      fullScreen={small}
      returnFocus={false}
      // A dialog in front has the key: both hear it.
      closeOnEscape={!props.covered}
      closeOnClickOutside={!isEditing && !props.covered}
    >
      {shown === null ? null : isEditing ? (
        <Part waiting={<Loader type="dots" className="touchup-empty" role="status" aria-label={texts.touchUp.loading} />}>
          {editor === "mask" ? (
            <TouchUp
              key={shown.key}
              name={shown.name}
              load={() => props.loadMaterial(shown)}
              onCancel={() => setEditing(null)}
              onSend={async (mask) => {
                await props.onCorrect(shown, mask);
                setEditing(null);
              }}
            />
          ) : (
            <Positioning
              key={shown.key}
              name={shown.name}
              load={() => props.loadMaterial(shown)}
              initial={positionOf(shown.detail)}
              fill={fillOf(shown.detail, props.presets)}
              background={backgroundOf(shown.detail)}
              onCancel={() => setEditing(null)}
              onSend={async (position) => {
                await props.onPosition(shown, position);
                setEditing(null);
              }}
            />
          )}
        </Part>
      ) : (
        <Review {...props} photo={shown} hasKeys={photo !== null && !props.covered} onEdit={(next) => setEditing({ key: shown.key, editor: next })} />
      )}
    </Dialog>
  );
}

function Title({ name, market, position, total }: { name: string; market: string; position: number; total: number }) {
  return (
    <span className="dialog-title">
      <span className="dialog-name">{name}</span>
      <span className="muted small dialog-facts">
        {market}
        {total > 1 ? ` · ${position} / ${total}` : ""}
      </span>
    </span>
  );
}

type ReviewProps = Omit<Props, "photo"> & { photo: Photo; hasKeys: boolean; onEdit: (editor: Editor) => void };

function Review({ photo, hasKeys, earlier, total, onStep, onDecide, onReprocess, onStale, onEdit }: ReviewProps) {
  const texts = useTexts();
  const words = texts.review;
  const { decision } = photo;
  const [backdrop, setBackdrop] = useState<Backdrop>("result");
  const [older, setOlder] = useState<string | null>(null);
  const [copy, setCopy] = useState<{ key: string; succeeded: boolean } | null>(null);
  const versions = [photo, ...earlier];
  const shown = versions.find(({ key }) => key === older) ?? photo;
  const isLatest = shown === photo;
  const correctable = isLatest && shown.detail?.mask_url != null;
  const copied = copy?.key === shown.key ? copy.succeeded : null;
  const result = shown.result ?? "";
  const decide = (next: Decision) => {
    if (isLatest) onDecide(photo, decision === next ? null : next);
  };
  useKeys((key, event) => {
    if (event.ctrlKey || event.metaKey) return;
    if (key === "ArrowRight" || key === "j") onStep(1);
    else if (key === "ArrowLeft" || key === "k") onStep(-1);
    else if (key === "a") decide("accepted");
    else if (key === "r" || key === "x") decide("rejected");
    else if (key === "e" && correctable) onEdit("mask");
    else if (key === "p" && correctable) onEdit("position");
    else if (key === "b") setBackdrop(backdrop === "result" ? "checks" : backdrop === "checks" ? "dark" : "result");
    else return;
    event.preventDefault();
  }, hasKeys);
  return (
    <div className="compare">
      <div className="compare-picture">
        <CompareStage
          key={shown.key}
          photo={shown}
          hasKeys={hasKeys}
          backdrop={backdrop}
          onBackdrop={setBackdrop}
          onStale={() => onStale(shown)}
        >
          {total > 1 ? (
            <>
              <Step label={words.previous} side="left" onClick={() => onStep(-1)} />
              <Step label={words.next} side="right" onClick={() => onStep(1)} />
            </>
          ) : null}
        </CompareStage>
      </div>
      <div className="compare-side">
        <div className="compare-decide">
          <Button
            variant={decision === "accepted" ? "filled" : "light"}
            aria-pressed={decision === "accepted"}
            disabled={!isLatest}
            leftSection={<IconCheck size={18} aria-hidden="true" />}
            onClick={() => decide("accepted")}
          >
            {words.accept}
          </Button>
          <Button
            variant={decision === "rejected" ? "filled" : "default"}
            color="red"
            aria-pressed={decision === "rejected"}
            disabled={!isLatest}
            leftSection={<IconX size={18} aria-hidden="true" />}
            onClick={() => decide("rejected")}
          >
            {words.reject}
          </Button>
        </div>
        {earlier.length === 0 ? null : (
          <div className="compare-versions" role="group" aria-label={words.versions}>
            {versions.map((version, at) => (
              <Button
                key={version.key}
                size="compact-sm"
                variant={version === shown ? "light" : "subtle"}
                color={version === shown ? "blue" : "gray"}
                aria-pressed={version === shown}
                onClick={() => setOlder(version.key)}
              >
                {at === 0 ? words.latest : words.version(versions.length - at)}
              </Button>
            ))}
          </div>
        )}
        <ResultCheck
          detail={shown.detail}
          original={shown.before}
          onUnreadable={() => undefined}
        />
        <div className="compare-save">
          {correctable ? (
            <>
              <Button className="compare-grow" px={10} variant="default" leftSection={<IconBrush size={18} aria-hidden="true" />} onClick={() => onEdit("mask")}>
                {texts.touchUp.open}
              </Button>
              <Button className="compare-grow" px={10} variant="default" leftSection={<IconArrowsMove size={18} aria-hidden="true" />} onClick={() => onEdit("position")}>
                {texts.positioning.open}
              </Button>
            </>
          ) : null}
          <Button
            className="compare-grow"
            px={10}
            variant="default"
            leftSection={<IconRefresh size={18} aria-hidden="true" />}
            onClick={() => onReprocess(photo)}
          >
            {words.reprocess}
          </Button>
          <Button
            component="a"
            className="compare-download"
            href={downloadUrl(result)}
            download
            leftSection={<IconDownload size={18} aria-hidden="true" />}
          >
            {texts.action.download}
          </Button>
          <IconAction
            size={36}
            icon={IconCopy}
            label={copied === true ? words.copied : copied === false ? words.notCopied : words.copy}
            onClick={() => {
              copyPicture(result).then(
                () => setCopy({ key: shown.key, succeeded: true }),
                () => setCopy({ key: shown.key, succeeded: false }),
              );
            }}
          />
        </div>
      </div>
    </div>
  );
}

function Step({ label, side, onClick }: { label: string; side: "left" | "right"; onClick: () => void }) {
  const Icon = side === "left" ? IconChevronLeft : IconChevronRight;
  return (
    <ActionIcon className="compare-step" data-side={side} variant="default" size={40} radius="xl" aria-label={label} onClick={onClick}>
      <Icon size={22} aria-hidden="true" />
    </ActionIcon>
  );
}
