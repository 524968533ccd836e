/** Receives errors of the application's own callbacks; must not throw. */
export type Report = (error: unknown) => void;

export const logError: Report = (error) => console.error(error);

/** Return a report that never throws, even if the application's does. */
export function safeReport(report: Report | undefined): Report {
  if (report === undefined) return logError;
  return (error) => isolated(() => report(error), logError);
}

/** Call the application; report an exception or a rejected promise, and continue. */
export function isolated(act: () => unknown, report: Report): void {
  try {
    const returned = act();
    if (returned instanceof Promise) returned.catch(report);
  } catch (error) {
    report(error);
  }
}
