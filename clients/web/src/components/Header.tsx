import { ActionIcon, Button, Group, Tooltip, useMantineColorScheme } from "@mantine/core";
import { IconDeviceDesktop, IconMoon, IconSun } from "@tabler/icons-react";

import { useLanguage } from "../i18n";
import { ConnectionBadge, type Shown } from "./ConnectionBadge";

const NEXT = { auto: "light", light: "dark", dark: "auto" } as const;
const ICONS = { auto: IconDeviceDesktop, light: IconSun, dark: IconMoon };

/** Name, connection (null: not signed in), sign-out, language and appearance; always visible. */
export function Header({ connection, onSignOut }: { connection: Shown | null; onSignOut: (() => void) | null }) {
  const { language, texts, change } = useLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = ICONS[colorScheme];
  const appearance = `${texts.appearance.label}: ${texts.appearance[colorScheme]}`;
  return (
    <header className="header">
      <div className="header-inside">
        <span className="brand">
          <span className="brand-mark" aria-hidden="true" />
          whitebg
        </span>
        {connection === null ? null : <ConnectionBadge state={connection} />}
        <Group gap={4} wrap="nowrap">
          {onSignOut === null ? null : (
            <Button variant="subtle" color="gray" size="compact-sm" onClick={onSignOut}>
              {texts.signIn.signOut}
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
          <Tooltip label={appearance}>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="md"
              aria-label={appearance}
              onClick={() => setColorScheme(NEXT[colorScheme])}
            >
              <Icon size={18} stroke={1.6} aria-hidden="true" />
            </ActionIcon>
          </Tooltip>
        </Group>
      </div>
    </header>
  );
}
