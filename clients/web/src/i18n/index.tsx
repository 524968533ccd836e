/** The page's language, and the function that changes it. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";

import { routeOf } from "../session/route";
import { retrying } from "../model/parts";
import type { Texts } from "./en";

export type { Texts } from "./en";
export type Language = "en" | "zh";

/** Each language is a file of its own, loaded when it is used. */
const LOAD: Record<Language, () => Promise<Texts>> = {
  en: retrying(async () => (await import("./en")).en),
  zh: retrying(async () => (await import("./zh")).zh),
};
const TAGS: Record<Language, string> = { en: "en", zh: "zh-CN" };
const LOCALES: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };
const STORED = "whitebg.language";

interface Speech {
  language: Language;
  /** Locale of numbers, dates and times. */
  tag: string;
  texts: Texts;
  change: (language: Language) => void;
}

const Speaking = createContext<Speech | null>(null);

export interface Spoken {
  language: Language;
  texts: Texts;
}

/** Load the texts of a language; default: the one that the person chose, or the browser's. */
export async function loadTexts(language = preferred()): Promise<Spoken> {
  return { language, texts: await LOAD[language]() };
}

export function LanguageProvider({ initial, children }: { initial: Spoken; children: ReactNode }) {
  const [{ language, texts }, setSpoken] = useState(initial);
  useEffect(() => {
    document.documentElement.lang = TAGS[language];
    const { adminTitle, title } = texts;
    document.title = `whitebg · ${routeOf(location.pathname) === "admin" ? adminTitle : title}`; // With a count while photos are in work (BatchProgress).
  }, [language, texts]);
  const speech = useMemo<Speech>(
    () => ({
      language,
      tag: localeOf(language),
      texts,
      change(next) {
        localStorage.setItem(STORED, next);
        // Where the file can't be loaded, the language changes with the next visit.
        loadTexts(next).then(setSpoken, () => undefined);
      },
    }),
    [language, texts],
  );
  return <Speaking value={speech}>{children}</Speaking>;
}

export function useLanguage(): Speech {
  const speech = useContext(Speaking);
  if (speech === null) throw new Error("useLanguage needs a LanguageProvider around it");
  return speech;
}

export function useTexts(): Texts {
  return useLanguage().texts;
}

/** The browser's own locale where it is one of the language, with its region; else an international one: 24 hours, day before month. */
function localeOf(language: Language): string {
  const own = navigator.language;
  return own.toLowerCase().split("-")[0] === language ? own : LOCALES[language];
}

function preferred(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) &&
    !(navigator.languages[0] ?? "").toLowerCase().startsWith("en")
    ? "zh"
    : "en";
}
