import { Button, Group, useMantineColorScheme } from "@mantine/core";
import { IconDeviceDesktop, IconMoon, IconSun } from "@tabler/icons-react";
import { type RefObject, useEffect, useRef } from "react";

import { useLanguage } from "../i18n";
import type { Account } from "../session/session";
import { ConnectionBadge, type Shown } from "./ConnectionBadge";
import { IconAction } from "./IconAction";

const NEXT = { auto: "light", light: "dark", dark: "auto" } as const;
const ICONS = { auto: IconDeviceDesktop, light: IconSun, dark: IconMoon };

export interface HeaderProps {
  /** Null: not signed in. */
  connection: Shown | null;
  account: Account | null;
  /** Where a guest signs in; null if nowhere. */
  signInHref: string | null;
  onSignOut: () => void;
}

/** Name, connection, sign-in or sign-out, language and appearance; always visible. */
export function Header({ connection, account, signInHref, onSignOut }: HeaderProps) {
  const { language, texts, change } = useLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const header = useRef<HTMLElement>(null);
  usePublishedHeight(header);
  const appearance = `${texts.appearance.label}: ${texts.appearance[colorScheme]}`;
  return (
    <header ref={header} className="header">
      <div className="header-inside" data-signed-in={account !== null}>
        <span className="brand">
          <span className="brand-mark" aria-hidden="true" />
          <span className="brand-name">whitebg</span>
        </span>
        {connection === null ? null : <ConnectionBadge state={connection} />}
        <Group gap={4} wrap="nowrap">
          {account === null ? null : (
            <>
              {account.name === "" ? null : <span className="muted account">{account.name}</span>}
              <Button variant="subtle" color="gray" size="compact-sm" onClick={onSignOut}>
                {texts.signIn.signOut}
              </Button>
            </>
          )}
          {signInHref === null ? null : (
            <Button component="a" href={signInHref} variant="subtle" color="gray" size="compact-sm">
              {texts.signIn.submit}
            </Button>
          )}
          <Button
            variant="subtle"
            color="gray"
            size="compact-sm"
            lang={language === "en" ? "zh-CN" : "en"}
            onClick={() => change(language === "en" ? "zh" : "en")}
          >
            {texts.switchLanguage}
          </Button>
          <IconAction
            variant="subtle"
            color="gray"
            label={appearance}
            icon={ICONS[colorScheme]}
            onClick={() => setColorScheme(NEXT[colorScheme])}
          />
        </Group>
      </div>
    </header>
  );
}

/** Publish the height of the header to the styles, because the toolbar stays below it: names may take a second line. */
function usePublishedHeight(header: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    if (header.current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      const height = entry?.borderBoxSize[0]?.blockSize ?? 0;
      document.documentElement.style.setProperty("--header-height", `${height}px`);
    });
    observer.observe(header.current);
    return () => observer.disconnect();
  }, [header]);
}
