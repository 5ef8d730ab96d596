import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";

import { ErrorNote } from "../components/error-note";
import { useAccount } from "../features/account/api";
import { LogInPage } from "../features/account/log-in-page";
import { FilesPage } from "../features/files/files-page";
import { RunsPage } from "../features/runs/runs-page";
import { ApiError } from "../lib/api";
import { Shell } from "./shell";

const CrossPage = lazy(() => import("../features/cross/cross-page"));
const AugmentPage = lazy(() => import("../features/augment/augment-page"));
const ModelPage = lazy(() => import("../features/model/model-page"));
const PanesPage = lazy(() => import("../features/panes/panes-page"));
const QuantisePage = lazy(() => import("../features/quantise/quantise-page"));
const EnsemblesPage = lazy(() => import("../features/ensembles/ensembles-page"));
const PipelinesPage = lazy(() => import("../features/pipelines/pipelines-page"));
const StepPage = lazy(() => import("../features/step/step-page"));

const queries: QueryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // What was refused stays refused; only a way that broke is worth a second try.
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof ApiError && error.status === 401) queries.setQueryData(["account"], null);
    },
  }),
});

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <BrowserRouter>
        <Entrance />
      </BrowserRouter>
    </QueryClientProvider>
  );
}

function Entrance() {
  const account = useAccount();
  if (account.error) {
    return (
      <main className="entrance">
        <h1>Strata</h1>
        <ErrorNote error={account.error} />
      </main>
    );
  }
  if (account.isPending) return null;
  if (!account.data) return <LogInPage />;
  return (
    <Shell account={account.data}>
      <Suspense fallback={<p className="soft">Loading …</p>}>
        <Routes>
          <Route path="/" element={<Navigate to="/runs" replace />} />
          <Route path="/files" element={<FilesPage account={account.data} />} />
          <Route path="/runs" element={<RunsPage />} />
          <Route path="/panes" element={<PanesPage />} />
          <Route path="/augment" element={<AugmentPage />} />
          <Route path="/runs/:run/model" element={<ModelPage />} />
          <Route path="/runs/:run/step" element={<StepPage />} />
          <Route path="/runs/:run/cross" element={<CrossPage />} />
          <Route path="/runs/:run/quantise" element={<QuantisePage />} />
          <Route path="/ensembles" element={<EnsemblesPage />} />
          <Route path="/pipelines" element={<PipelinesPage />} />
          <Route path="*" element={<h1>There is no such page</h1>} />
        </Routes>
      </Suspense>
    </Shell>
  );
}
