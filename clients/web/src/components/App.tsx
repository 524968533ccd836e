import { useConnection, useReadable, WebSocketProvider } from "@whitebg/client/react";
import { useEffect, useState } from "react";

import { useTexts } from "../i18n";
import { isUnderWay } from "../model/uploads";
import { makeWorld, type World } from "../model/world";
import { routeOf } from "../session/route";
import { Header } from "./Header";
import { Part, part } from "./Part";
import { Studio } from "./Studio";
import { useOnline } from "./useBrowser";

const AdminPage = part(async () => (await import("../admin/AdminPage")).AdminPage);
const SignIn = part(async () => (await import("./SignIn")).SignIn);

/** The page: the sign-in form, the user's photos or, at /admin, the page for operators. */
export function App() {
  const [route] = useState(() => routeOf(location.pathname));
  const texts = useTexts();
  const [world] = useState(makeWorld);
  const access = useReadable(world.access);
  const problem = useReadable(world.signInProblem);
  const issuer = useReadable(world.issuer);
  const granted = access === "granted";
  const working = granted && problem === null;
  useEffect(() => world.start(), [world]);

  return (
    <WebSocketProvider client={world.client} enabled={granted}>
      {working && route === "photos" ? (
        <a className="skip" href="#photos">
          {texts.skipToPhotos}
        </a>
      ) : null}
      <ConnectedHeader world={world} granted={granted} />
      <main>
        {working && route === "admin" ? (
          <Part>
            <AdminPage world={world} />
          </Part>
        ) : working ? (
          <Studio world={world} />
        ) : (
          <Part>
            <SignIn
              issuer={issuer}
              problem={problem}
              refused={access === "refused"}
              onToken={world.signIn}
              onSkip={granted ? () => world.signInProblem.set(null) : null}
            />
          </Part>
        )}
      </main>
    </WebSocketProvider>
  );
}

function ConnectedHeader({ world, granted }: { world: World; granted: boolean }) {
  const { state, serviceAvailable } = useConnection();
  const online = useOnline();
  const account = useReadable(world.account);
  const { signIn } = useTexts();
  const issuer = useReadable(world.issuer);
  // Without a network, a connection looks open until its next heartbeat is missed.
  const live = !online ? "offline" : serviceAvailable ? "connected" : "unavailable";
  const shown = state === "connected" ? live : state;
  return (
    <Header
      connection={granted ? shown : null}
      account={granted ? account : null}
      signInHref={granted && account === null && issuer !== null ? issuer.href(false) : null}
      onSignOut={() => {
        const unsent = world.uploads.read().filter(isUnderWay).length;
        if (unsent === 0 || confirm(signIn.unsent(unsent))) world.signOut();
      }}
    />
  );
}
