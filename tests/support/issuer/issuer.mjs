// An OpenID Connect issuer for tests: node-oidc-provider with one registered client and its development login pages.
// Any login is an account: `ann@example.com` has that verified e-mail address, `root@…` is in the group of administrators,
// and the userinfo endpoint fails for `mute@…`.
import Provider from "oidc-provider";

const { PORT, CLIENT_ID, CLIENT_SECRET, PAGE_URL } = process.env;
const ISSUER = `http://127.0.0.1:${PORT}`;

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [`${PAGE_URL}auth/callback`],
      post_logout_redirect_uris: [PAGE_URL],
    },
  ],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "profile", "email", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: (use) => {
      if (use === "userinfo" && id.startsWith("mute@")) throw new Error("no claims of this account");
      return {
        sub: id,
        name: `Person ${id.split("@")[0]}`,
        email: id,
        email_verified: !id.startsWith("unverified"),
        groups: id.startsWith("root@") ? ["staff", "whitebg-admins"] : ["staff"],
      };
    },
  }),
});

provider.listen(Number(PORT), "127.0.0.1", () => console.log(`issuer listening on ${ISSUER}`));
