import "@mantine/core/styles/PasswordInput.css";

import { Button, PasswordInput } from "@mantine/core";
import { type ReactNode, useState } from "react";

import { useTexts } from "../i18n";
import type { Issuer } from "../model/world";
import type { SignInProblem } from "../session/arrival";
import { Notice } from "./Notice";

/** Problems that another account solves: the issuer must not reuse its own session. */
const ANOTHER_ACCOUNT: ReadonlySet<SignInProblem | null> = new Set<SignInProblem>(["not_allowed", "consent_refused"]);

export interface SignInProps {
  issuer: Issuer | null;
  problem: SignInProblem | null;
  /** The token was rejected, or the session has ended. */
  refused: boolean;
  onToken: (token: string) => void;
  /** Continue as before; null where there is no session to continue with. */
  onSkip: (() => void) | null;
}

/** Sign-in at the issuer or with a token, and the reason why the latest one failed. */
export function SignIn({ issuer, problem, refused, onToken, onSkip }: SignInProps) {
  const { signIn, problemEnd } = useTexts();
  const shown = problem === null ? null : signIn.problem[problem];
  return (
    <section className="sign-in" aria-labelledby="sign-in-title">
      <h1 id="sign-in-title">{signIn.title}</h1>
      {shown === null ? null : <Notice text={shown.what + problemEnd + shown.fix} />}
      {issuer === null ? (
        <TokenForm refused={refused} onToken={onToken}>
          <p className="muted">{signIn.text}</p>
        </TokenForm>
      ) : (
        <>
          {refused ? <p role="alert">{signIn.ended}</p> : null}
          <Button component="a" href={issuer.href(ANOTHER_ACCOUNT.has(problem))}>
            {signIn.with(issuer.name)}
          </Button>
          <details>
            <summary>{signIn.withToken}</summary>
            <TokenForm refused={false} onToken={onToken} />
          </details>
        </>
      )}
      {onSkip === null ? null : (
        <Button variant="subtle" color="gray" onClick={onSkip}>
          {signIn.skip}
        </Button>
      )}
    </section>
  );
}

function TokenForm({ refused, onToken, children }: Pick<SignInProps, "refused" | "onToken"> & { children?: ReactNode }) {
  const { signIn } = useTexts();
  const [token, setToken] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== "") onToken(token.trim());
      }}
    >
      {children}
      <PasswordInput
        label={signIn.token}
        value={token}
        autoComplete="off"
        visibilityToggleButtonProps={{ "aria-label": signIn.showToken }}
        error={refused && token === "" ? signIn.refused : null}
        onChange={(event) => setToken(event.currentTarget.value)}
      />
      <Button type="submit" mt={16}>
        {signIn.submit}
      </Button>
    </form>
  );
}
