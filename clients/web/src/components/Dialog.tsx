import "@mantine/core/styles/Overlay.css";
import "@mantine/core/styles/ModalBase.css";
import "@mantine/core/styles/Modal.css";
import "./dialog.css";

import { Modal, type ModalProps } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";

import { useTexts } from "../i18n";
import { useLayer } from "./useLayer";

/** A modal dialog in the page's manner; the browser's Back button closes it. */
export function Dialog(props: ModalProps) {
  const texts = useTexts();
  // Zoomed, or on a phone on its side.
  const low = useMediaQuery("(max-height: 480px)");
  useLayer(props.opened, () => {
    props.onClose();
    return true;
  });
  return (
    <Modal
      centered
      fullScreen={low}
      // Scroll lock needs a <style> element, which the Content-Security-Policy does not allow.
      lockScroll={false}
      transitionProps={{ duration: 120 }}
      closeButtonProps={{ "aria-label": texts.action.close }}
      // Mantine's <header> would be a second banner of the page.
      attributes={{ header: { role: "presentation" } }}
      {...props}
    />
  );
}
