import { expect, test } from "vitest";

import { loginUrl, readArrival } from "../src/session/arrival";
import { routeOf } from "../src/session/route";

test.each([
  ["", { token: null, problem: null }],
  ["#photos", { token: null, problem: null }],
  ["#token=a.b.c", { token: "a.b.c", problem: null }],
  ["#sign-in-problem=clock", { token: null, problem: "clock" }],
  ["#sign-in-problem=clock&token=a.b.c", { token: null, problem: "clock" }],
  ["#sign-in-problem=constructor", { token: null, problem: "issuer_error" }],
  ["#sign-in-problem=sign_out_unconfirmed", { token: null, problem: "issuer_error" }],
])("the fragment %s is read", (hash, arrival) => {
  expect(readArrival(hash)).toEqual(arrival);
});

test("the address of the login names the way back", () => {
  const login = "https://whitebg.example.com/auth/login";
  expect(loginUrl(login, "/?a=1&b=2", false)).toBe(`${login}?return_to=%2F%3Fa%3D1%26b%3D2`);
  expect(loginUrl(login, "/admin", true)).toBe(`${login}?return_to=%2Fadmin&again=true`);
});

test.each([
  ["/", "photos"],
  ["/admin", "admin"],
  ["/admin/", "admin"],
  ["/administration", "photos"],
])("%s opens the %s", (path, route) => {
  expect(routeOf(path)).toBe(route);
});
