import "@mantine/core/styles/baseline.css";
import "@mantine/core/styles/default-css-variables.css";
import "@mantine/core/styles/global.css";
import "@mantine/core/styles/UnstyledButton.css";
import "@mantine/core/styles/VisuallyHidden.css";
import "@mantine/core/styles/Paper.css";
import "@mantine/core/styles/CloseButton.css";
import "@mantine/core/styles/Group.css";
import "@mantine/core/styles/Loader.css";
import "@mantine/core/styles/ActionIcon.css";
import "@mantine/core/styles/Button.css";
import "@mantine/core/styles/Input.css";
import "@mantine/core/styles/InlineInput.css";
import "@mantine/core/styles/Checkbox.css";
import "@mantine/core/styles/Progress.css";
import "@mantine/core/styles/FloatingIndicator.css";
import "@mantine/core/styles/SegmentedControl.css";
// Parts that are loaded later bring their own.
import "./page.css";
import "./touch.css";
import "./contrast.css";
import "./print.css";

import { MantineProvider } from "@mantine/core";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./components/App";
import { LanguageProvider, loadTexts } from "./i18n";
import { layers } from "./session/layers";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
layers.start();

// The page's Content-Security-Policy allows styles from its own files only, and no <style> element. The theme is
// therefore in page.css, and Mantine's generated variables and classes are disabled.
loadTexts().then((initial) => {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
        <LanguageProvider initial={initial}>
          <App />
        </LanguageProvider>
      </MantineProvider>
    </StrictMode>,
  );
}, reportError);
