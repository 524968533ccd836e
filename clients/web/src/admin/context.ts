import { createContext, useContext } from "react";

import type { AdminApi } from "./api";
import type { AdminTexts } from "./texts";

export interface Admin {
  api: AdminApi;
  texts: AdminTexts;
  /** BCP 47 tag of the page's language. */
  tag: string;
}

export const AdminContext = createContext<Admin | null>(null);

export function useAdmin(): Admin {
  const admin = useContext(AdminContext);
  if (admin === null) throw new Error("useAdmin needs an AdminContext around it");
  return admin;
}
