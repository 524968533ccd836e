
import { useTexts } from "../i18n";
import { Dialog } from "./Dialog";

/** All keyboard shortcuts. */
export function ShortcutsDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const texts = useTexts();
  const { shortcuts, keys } = texts.review;
  return (
    <Dialog
      opened={opened}
      onClose={onClose}
      title={shortcuts}
    >
      <dl className="keys">
        {keys.map(([key, meaning]) => (
          <div key={key} className="keys-line">
            <dt>
              {key.split(" ").map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
