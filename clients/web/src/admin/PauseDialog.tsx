import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useState } from "react";

import { Dialog } from "../components/Dialog";
import { useAdmin } from "./context";
import { engineName } from "./engines";
import { useChange } from "./queries";

const SECONDS = { open: null, quarter: 900, hour: 3_600, day: 86_400 };
type Duration = keyof typeof SECONDS;
const DURATIONS = Object.keys(SECONDS) as Duration[];
const MOST_CHARACTERS = 500;

interface Props {
  /** Null: closed. */
  engine: string | null;
  /** Whether all claims are paused. */
  all: boolean;
  onClose: () => void;
}

/** Asks for the note and the end of a pause. */
export function PauseDialog({ engine, all, onClose }: Props) {
  const { api, texts } = useAdmin();
  const { pause: words } = texts;
  const [note, setNote] = useState("");
  const [duration, setDuration] = useState<Duration>("open");
  const [shown, setShown] = useState({ engine: "", all: false });
  if (engine !== null && engine !== shown.engine) setShown({ engine, all });
  const pause = useChange(async (paused: string) => {
    await api.pause(paused, note.trim(), SECONDS[duration]);
    onClose();
  });
  return (
    <Dialog
      opened={engine !== null}
      onClose={onClose}
      title={words.title(shown.all ? texts.engines.all : engineName(shown.engine, texts))}
    >
      <form
        className="admin-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (engine !== null) pause.mutate(engine);
        }}
      >
        <p className="muted">{words.effect}</p>
        <TextInput
          label={words.note}
          value={note}
          maxLength={MOST_CHARACTERS}
          data-autofocus
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        <fieldset className="admin-fieldset">
          <legend>{words.lasts}</legend>
          <SegmentedControl
            fullWidth
            size="xs"
            value={duration}
            onChange={(value) => setDuration(value)}
            data={DURATIONS.map((value) => ({ value, label: words.durations[value] }))}
          />
        </fieldset>
        {pause.error === null ? null : <p role="alert">{pause.error.message}</p>}
        <Button type="submit" loading={pause.isPending}>
          {words.action}
        </Button>
      </form>
    </Dialog>
  );
}
