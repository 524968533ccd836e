import { useEffect, useState, useSyncExternalStore } from "react";

import { useTexts } from "../i18n";
import { type World, makeWorld } from "../model/world";
import { Session } from "../session/session";
import { Header } from "./Header";
import { SignIn } from "./SignIn";
import { Studio } from "./Studio";

const session = new Session();

/** The page: who is here first, then their photos. */
export function App() {
  const texts = useTexts();
  const [world] = useState(() => makeWorld(session));
  const access = useSyncExternalStore(world.access.subscribe, world.access.read);
  useEffect(() => {
    world.start();
    return () => world.stop();
  }, [world]);

  return (
    <>
      <a className="skip" href="#photos">
        {texts.skipToPhotos}
      </a>
      <HeaderOf world={world} />
      <main>
        {access === "sign-in" ? <SignIn onToken={world.signIn} /> : <Studio world={world} />}
      </main>
    </>
  );
}

function HeaderOf({ world }: { world: World }) {
  const connection = useSyncExternalStore(world.live.subscribe, world.live.read);
  return <Header connection={connection} />;
}
