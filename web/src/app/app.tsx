import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { BrowserRouter, Link, Navigate, Route, Routes, useLocation } from "react-router";

import { ErrorNote } from "../components/error-note";
import { FaultBoundary } from "../components/fault-boundary";
import { useAccount } from "../features/account/api";
import { LogInPage } from "../features/account/log-in-page";
import { FilesPage } from "../features/files/files-page";
import { RunsPage } from "../features/runs/runs-page";
import { ApiError } from "../lib/api";
import { useTitle } from "../lib/use-title";
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
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
  queryCache: new QueryCache({ onError: noteLogOut }),
  mutationCache: new MutationCache({ onError: noteLogOut }),
});

/** A log-in that is over leads to the page where one logs in. */
function noteLogOut(error: Error) {
  if (error instanceof ApiError && error.status === 401) queries.setQueryData(["account"], null);
}

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <BrowserRouter>
        <Entrance />
      </BrowserRouter>
    </QueryClientProvider>
  );
}

function NoSuchPage() {
  useTitle("No such page");
  return (
    <div className="stack">
      <h1>There is no such page</h1>
      <p>
        All that you have run is on the <Link to="/runs">runs page</Link>.
      </p>
    </div>
  );
}

function Entrance() {
  const account = useAccount();
  const { pathname } = useLocation();
  if (account.data === undefined) {
    return account.error ? (
      <main className="entrance">
        <h1>Strata</h1>
        <ErrorNote error={account.error} />
      </main>
    ) : null;
  }
  if (!account.data) return <LogInPage />;
  return (
    <Shell account={account.data}>
      <FaultBoundary place={pathname}>
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
            <Route path="*" element={<NoSuchPage />} />
          </Routes>
        </Suspense>
      </FaultBoundary>
    </Shell>
  );
}
