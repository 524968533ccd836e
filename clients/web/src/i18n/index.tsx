/** The page's language, and the function that changes it. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";

import { routeOf } from "../session/route";
import { en, type Texts } from "./en";
import { zh } from "./zh";

export type { Texts } from "./en";
export type Language = "en" | "zh";

const TEXTS: Record<Language, Texts> = { en, zh };
const TAGS: Record<Language, string> = { en: "en", zh: "zh-CN" };
const STORED = "whitebg.language";

interface Speech {
  language: Language;
  tag: string;
  texts: Texts;
  change: (language: Language) => void;
}

const Speaking = createContext<Speech | null>(null);

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(preferred);
  useEffect(() => {
    document.documentElement.lang = TAGS[language];
    const { adminTitle, title } = TEXTS[language];
    document.title = `whitebg · ${routeOf(location.pathname) === "admin" ? adminTitle : title}`; // With a count while photos are in work (BatchProgress).
  }, [language]);
  const speech = useMemo<Speech>(
    () => ({
      language,
      tag: TAGS[language],
      texts: TEXTS[language],
      change(next) {
        localStorage.setItem(STORED, next);
        setLanguage(next);
      },
    }),
    [language],
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

function preferred(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) &&
    !(navigator.languages[0] ?? "").toLowerCase().startsWith("en")
    ? "zh"
    : "en";
}
