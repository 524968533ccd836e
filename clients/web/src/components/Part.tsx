import { Button } from "@mantine/core";
import { Component, type ComponentType, lazy, type LazyExoticComponent, type ReactNode, Suspense } from "react";

import { useTexts } from "../i18n";
import { retrying } from "../model/parts";

/** Return a component that is loaded when it is shown for the first time; a `Part` around it shows its absence. */
export function part<Props>(load: () => Promise<ComponentType<Props>>): LazyExoticComponent<ComponentType<Props>> {
  const patient = retrying(load);
  return lazy(async () => ({ default: await patient() }));
}

interface Props {
  /** Shown until the part is loaded. */
  waiting?: ReactNode;
  children: ReactNode;
}

/** Holds a part of the page that is loaded later. Where that fails, the rest of the page goes on without it. */
export function Part({ waiting = null, children }: Props) {
  return (
    <Boundary>
      <Suspense fallback={waiting}>{children}</Suspense>
    </Boundary>
  );
}

class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? <Missing /> : this.props.children;
  }
}

function Missing() {
  const { notice } = useTexts();
  return (
    <div className="notice" role="alert">
      <span>{notice.partMissing}</span>
      <Button size="compact-sm" onClick={() => location.reload()}>
        {notice.reload}
      </Button>
    </div>
  );
}
