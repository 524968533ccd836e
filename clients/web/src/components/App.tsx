import { useConnection, useReadable, WebSocketProvider } from "@whitebg/client/react";
import { useEffect, useState } from "react";

import { useTexts } from "../i18n";
import { makeWorld, type World } from "../model/world";
import { Header } from "./Header";
import { SignIn } from "./SignIn";
import { Studio } from "./Studio";

/** The page: the sign-in form, or the user's photos. */
export function App() {
  const texts = useTexts();
  const [world] = useState(makeWorld);
  const access = useReadable(world.access);
  useEffect(() => world.start(), [world]);

  return (
    <WebSocketProvider client={world.client} enabled={access === "granted"}>
      {access === "granted" ? (
        <a className="skip" href="#photos">
          {texts.skipToPhotos}
        </a>
      ) : null}
      <ConnectedHeader world={world} granted={access === "granted"} />
      <main>
        {access === "granted" ? (
          <Studio world={world} />
        ) : (
          <SignIn refused={access === "refused"} onToken={world.signIn} />
        )}
      </main>
    </WebSocketProvider>
  );
}

function ConnectedHeader({ world, granted }: { world: World; granted: boolean }) {
  const { state, serviceAvailable } = useConnection();
  const signedIn = useReadable(world.signedIn);
  const shown = state === "connected" && !serviceAvailable ? "unavailable" : state;
  return <Header connection={granted ? shown : null} onSignOut={granted && signedIn ? world.signOut : null} />;
}
