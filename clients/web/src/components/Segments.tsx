import { SegmentedControl } from "@mantine/core";
import { type ReactNode, useId } from "react";

interface Props<Value extends string> {
  label: string;
  hint?: ReactNode;
  value: Value;
  values: readonly Value[];
  names: Record<Value, string>;
  disabled?: boolean;
  onChange: (value: Value) => void;
}

/** One of several values, with its label. */
export function Segments<Value extends string>({ label, hint, value, values, names, disabled = false, onChange }: Props<Value>) {
  const id = useId();
  return (
    <div>
      <div className="field-row">
        <span className="field-label" id={id}>
          {label}
        </span>
        <span className="muted small">{hint}</span>
      </div>
      <SegmentedControl
        fullWidth
        aria-labelledby={id}
        disabled={disabled}
        value={value}
        onChange={onChange}
        data={values.map((each) => ({ value: each, label: names[each] }))}
      />
    </div>
  );
}
