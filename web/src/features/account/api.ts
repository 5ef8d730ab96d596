import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { ApiError, answer, client, type Schema, setCsrfToken } from "../../lib/api";

export type Account = Schema<"AccountBody">;

/** Who is logged in; null where nobody is. */
export function useAccount() {
  return useQuery({
    queryKey: ["account"],
    queryFn: async (): Promise<Account | null> => {
      try {
        return remembered(await answer(client.GET("/api/account")));
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return null;
        throw error;
      }
    },
  });
}

export function useEnter(isNew: boolean) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (credentials: Schema<"Credentials">) => {
      const path = isNew ? "/api/account" : "/api/log-in";
      return remembered(await answer(client.POST(path, { body: credentials })));
    },
    onSuccess: (account) => changePerson(queries, account),
  });
}

export function useLogOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(client.POST("/api/log-out")),
    onSuccess: () => changePerson(queries, null),
  });
}

/** What somebody else saw here before is not shown. */
function changePerson(queries: QueryClient, account: Account | null): void {
  queries.removeQueries({ predicate: (query) => query.queryKey[0] !== "account" });
  queries.setQueryData(["account"], account);
}

function remembered(account: Account): Account {
  setCsrfToken(account.csrf_token);
  return account;
}
