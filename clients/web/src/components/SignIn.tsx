import { Button, PasswordInput } from "@mantine/core";
import { useState } from "react";

import { useTexts } from "../i18n";

/** The form for a token, on servers without guest access. */
export function SignIn({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) {
  const { signIn } = useTexts();
  const [token, setToken] = useState("");
  return (
    <form
      className="sign-in"
      aria-labelledby="sign-in-title"
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== "") onToken(token.trim());
      }}
    >
      <h1 id="sign-in-title">{signIn.title}</h1>
      <p className="muted">{signIn.text}</p>
      <PasswordInput
        label={signIn.token}
        value={token}
        autoComplete="off"
        error={refused && token === "" ? signIn.refused : null}
        onChange={(event) => setToken(event.currentTarget.value)}
      />
      <Button type="submit" mt={16}>
        {signIn.submit}
      </Button>
    </form>
  );
}
