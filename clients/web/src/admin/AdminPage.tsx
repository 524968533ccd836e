import "./admin.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

import { SignIn } from "../components/SignIn";
import { useLanguage } from "../i18n";
import type { World } from "../model/world";
import { useReadable } from "@whitebg/client/react";
import { AdminApi } from "./api";
import { AdminContext, useAdmin } from "./context";
import { ErrorsPanel } from "./ErrorsPanel";
import { FailuresPanel } from "./FailuresPanel";
import { merged } from "./figures";
import { HealthLine } from "./HealthLine";
import { isForbidden, QUEUE, useQueue } from "./queries";
import { QueuePanel } from "./QueuePanel";
import { SettingsPanel } from "./SettingsPanel";
import { TEXTS } from "./texts";
import { UsersPanel } from "./UsersPanel";
import { WorkersPanel } from "./WorkersPanel";

/** The page for operators: queue, workers, failures, users and settings, live. */
export function AdminPage({ world }: { world: World }) {
  const { language, tag } = useLanguage();
  const [queries] = useState(() => new QueryClient());
  const admin = useMemo(
    () => ({ api: new AdminApi(world.client.http), texts: TEXTS[language], tag }),
    [world, language, tag],
  );
  return (
    <QueryClientProvider client={queries}>
      <AdminContext value={admin}>
        <Operations world={world} queries={queries} />
      </AdminContext>
    </QueryClientProvider>
  );
}

function Operations({ world, queries }: { world: World; queries: QueryClient }) {
  const { texts } = useAdmin();
  const account = useReadable(world.account);
  const { data, error } = useQueue();
  const permitted = data !== undefined;
  useEffect(() => {
    // Another account may have other rights.
    void queries.resetQueries();
  }, [account, queries]);
  useEffect(() => {
    if (!permitted) return;
    world.client.watchQueue();
    return world.client.queueChanges.watch(merged(() => queries.refetchQueries({ queryKey: QUEUE })));
  }, [permitted, queries, world]);

  if (isForbidden(error)) return <Forbidden world={world} />;
  if (data === undefined) {
    return <p className="admin-wait" role="status">{error === null ? texts.loading : texts.stale(error.message)}</p>;
  }
  return (
    <div className="admin">
      <div className="admin-head">
        <h1>{texts.title}</h1>
        <a href="/">{texts.photos}</a>
      </div>
      {error === null ? null : <p role="alert">{texts.stale(error.message)}</p>}
      <HealthLine queue={data} />
      <QueuePanel queue={data} />
      <WorkersPanel workers={data.overview.workers} />
      <FailuresPanel failures={data.overview.failures} from={data.overview.failures_from} />
      <UsersPanel />
      <ErrorsPanel tasks={data.errors} />
      <SettingsPanel overview={data.overview} />
    </div>
  );
}

function Forbidden({ world }: { world: World }) {
  const { texts } = useAdmin();
  const issuer = useReadable(world.issuer);
  return (
    <>
      <p className="admin-wait" role="alert">{texts.forbidden}</p>
      <SignIn issuer={issuer} problem={null} refused={false} onToken={world.signIn} onSkip={null} />
    </>
  );
}
