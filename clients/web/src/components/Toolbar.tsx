import { Button, NativeSelect, TextInput } from "@mantine/core";
import { IconKeyboard, IconSearch } from "@tabler/icons-react";
import { type RefObject, useMemo } from "react";

import { useTexts } from "../i18n";
import { isPreset } from "../model/options";
import type { Photo } from "../model/photos";
import { countStatuses, type Filter, type Status, STATUSES } from "../model/status";

/** Always shown: a person must see at any time whether something is left to do. */
const ALWAYS: ReadonlySet<Status> = new Set(["active", "review", "failed"]);

interface Props {
  photos: readonly Photo[];
  /** Whether there are older photos that are not counted yet. */
  partial: boolean;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  onShortcuts: () => void;
  search: RefObject<HTMLInputElement | null>;
}

/** Filters with counts; stays at the top of the screen. */
export function Toolbar({ photos, partial, filter, onFilter, onShortcuts, search }: Props) {
  const texts = useTexts();
  const words = texts.review;
  const counts = useMemo(() => countStatuses(photos), [photos]);
  const markets = useMemo(() => [...new Set(photos.map(({ market }) => market))].filter((each) => each !== "").sort(), [photos]);
  const chips = STATUSES.filter((status) => ALWAYS.has(status) || counts[status] > 0 || filter.status === status);
  const count = (n: number): string => (partial && n > 0 ? `${n}+` : String(n));
  return (
    <div className="toolbar">
      <div className="chips" role="group" aria-label={words.filters}>
        <Chip label={words.all} count={count(photos.length)} active={filter.status === null} onClick={() => onFilter({ ...filter, status: null })} />
        {chips.map((status) => (
          <Chip
            key={status}
            status={counts[status] > 0 ? status : undefined}
            label={words.statuses[status]}
            count={count(counts[status])}
            active={filter.status === status}
            onClick={() => onFilter({ ...filter, status: filter.status === status ? null : status })}
          />
        ))}
      </div>
      <div className="toolbar-fields">
        {markets.length > 1 || filter.market !== "" ? (
          <NativeSelect
            size="xs"
            aria-label={words.market}
            value={filter.market}
            onChange={(event) => onFilter({ ...filter, market: event.currentTarget.value })}
            data={[
              { value: "", label: words.allMarkets },
              ...markets.map((value) => ({ value, label: isPreset(value) ? texts.options.presets[value] : value })),
            ]}
          />
        ) : null}
        <TextInput
          ref={search}
          className="toolbar-search"
          size="xs"
          type="search"
          aria-label={words.search}
          placeholder={words.search}
          leftSection={<IconSearch size={15} aria-hidden="true" />}
          value={filter.name}
          onChange={(event) => onFilter({ ...filter, name: event.currentTarget.value })}
        />
        <Button className="toolbar-keys" variant="default" size="compact-sm" aria-label={words.shortcuts} data-tip={words.shortcuts} onClick={onShortcuts}>
          <IconKeyboard size={18} stroke={1.5} aria-hidden="true" />
        </Button>
      </div>
    </div>
  );
}

interface ChipProps {
  label: string;
  count: string;
  active: boolean;
  status?: Status | undefined;
  onClick: () => void;
}

function Chip({ label, count, active, status, onClick }: ChipProps) {
  return (
    <button type="button" className="chip" data-status={status} aria-pressed={active} onClick={onClick}>
      {label} <span className="chip-count">{count}</span>
    </button>
  );
}
