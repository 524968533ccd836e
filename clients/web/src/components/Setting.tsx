import { Slider } from "@mantine/core";
import { useId } from "react";

interface Props {
  label: string;
  /** The value in words, beside the label. */
  shown?: string;
  value: number;
  min: number;
  max: number;
  step?: number;
  disabled?: boolean;
  onChange: (value: number) => void;
}

/** A slider with its label. */
export function Setting({ label, shown, ...range }: Props) {
  const id = useId();
  return (
    <div>
      <div className="field-row">
        <span className="field-label" id={id}>
          {label}
        </span>
        {shown === undefined ? null : <span className="muted small">{shown}</span>}
      </div>
      <Slider size="sm" label={null} thumbProps={{ "aria-labelledby": id }} {...range} />
    </div>
  );
}
