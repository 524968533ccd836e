import { useConnection, useReadable, WebSocketProvider } from "@whitebg/client/react";
import { useEffect, useState } from "react";

import { useTexts } from "../i18n";
import { makeWorld } from "../model/world";
import { Header } from "./Header";
import { SignIn } from "./SignIn";
import { Studio } from "./Studio";

/** The page: who is here first, then their photos. */
export function App() {
  const texts = useTexts();
  const [world] = useState(makeWorld);
  const access = useReadable(world.access);
  useEffect(() => world.start(), [world]);

  return (
    <WebSocketProvider client={world.client} enabled={access === "granted"}>
      <a className="skip" href="#photos">
        {texts.skipToPhotos}
      </a>
      <ConnectedHeader signedIn={access === "granted"} />
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

function ConnectedHeader({ signedIn }: { signedIn: boolean }) {
  const { state } = useConnection();
  return <Header connection={signedIn ? state : null} />;
}
